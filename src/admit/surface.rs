//! Which of the three surfaces a path belongs to: known by prefix alone, before anything else.
//!
//! The surface decides the credential, the origins and the shape of an error, so it must be known before
//! any of them is looked at. The path is taken as it was sent, never decoded: no spelling of a path can
//! move a request to another surface.

/// A family of routes with one kind of credential, one Origin list and one shape of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// AgentMux's sidecar: `X-AuthKey`
    AgentMux,
    /// ours, `/api/v1/`: owner key, API token, agent token
    Ours,
    /// GenSwarms, `/api/` and `/swarm/`: Bearer or the token-less rule
    Swarm,
}

impl Surface {
    /// The surface of a path as sent, never decoded: `/%61pi/` is not `/api/`.
    pub fn of(path: &str) -> Self {
        const TABLE: [(&str, Surface); 4] = [
            ("/api/bus/", Surface::AgentMux),
            ("/api/v1/", Surface::Ours),
            ("/api/", Surface::Swarm),
            ("/swarm/", Surface::Swarm),
        ];
        if path.starts_with("/api/lan-instances") || path == "/api/post-chat-message" {
            return Surface::AgentMux;
        }
        TABLE
            .iter()
            .find(|(prefix, _)| path.starts_with(prefix))
            .map_or(Surface::AgentMux, |(_, surface)| *surface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surface_is_known_by_prefix_alone() {
        for (path, surface) in [
            ("/", Surface::AgentMux),
            ("/ws", Surface::AgentMux),
            ("/agentmux/reactive/agents", Surface::AgentMux),
            ("/wave/reactive/agents", Surface::AgentMux),
            ("/api/bus/send", Surface::AgentMux),
            ("/api/lan-instances", Surface::AgentMux),
            ("/api/post-chat-message", Surface::AgentMux),
            ("/api/post-chat-messages", Surface::Swarm),
            ("/%61pi/swarms", Surface::AgentMux),
            ("/API/swarms", Surface::AgentMux),
            ("/api/v1/agents", Surface::Ours),
            ("/api/v1", Surface::Swarm),
            ("/api/busx", Surface::Swarm),
            ("/api/swarms", Surface::Swarm),
            ("/swarm/websocket", Surface::Swarm),
        ] {
            assert_eq!(Surface::of(path), surface, "{path}");
        }
    }
}

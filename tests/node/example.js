// What a dashboard of GenSwarms does, call for call and in the order that its page on the WebSocket
// shows: the client is made with an URL and nothing else, and everything is asked for before the
// connection is open. Node and Chromium both run this file as it is.
//
// `saw(what, value)` is told of each thing that came.

export function example(Socket, url, { swarm, agent, task }, saw) {
  const socket = new Socket(url)
  socket.connect()

  const channel = socket.channel(`swarm:${swarm}`, {})
  channel.join()
    .receive("ok", answer => saw("joined", answer))
    .receive("error", answer => saw("not joined", answer))

  channel.on("agent_output", output => saw("agent_output", output))
  channel.on("agent_status", status => saw("agent_status", status))

  channel.push("subscribe_events", { filters: { level: "error" } })
    .receive("ok", ({ recent_events }) => saw("recent_events", recent_events))
  channel.on("event", event => saw("event", event))

  channel.push("send_task", { agent, task })
    .receive("ok", answer => saw("task sent", answer))
    .receive("error", ({ reason }) => saw("task not sent", reason))

  return socket
}

//! The registry's files, from one instance to another (spec agentmux I.1, L.54-56).

use super::{testing::*, *};

#[test]
fn case_l54_an_agent_of_one_instance_is_found_by_another_in_both_layouts() {
    for name in ["agents", "reactive"] {
        let around = Around::new();
        let directory = around.at(name);
        let (a, b) = (Instance::new(&directory), Instance::new(&directory));
        let writer = b.with_agents(&["Worker-1"]);
        let peer = a.one("Worker-1");
        assert_eq!((peer.agent.as_str(), &peer.home, peer.speaks), ("Worker-1", &b.home, Speaks::Loopgate));
        assert_eq!(peer.at, b.listener.local_addr().expect("an address"));
        assert_eq!((peer.pid, peer.inode), (std::process::id(), inode(&b.listener)));
        assert_eq!(a.one(&format!("Worker-1@{}", b.home)).block_id, "block of Worker-1");
        assert_eq!(a.nobody(&format!("Worker-1@{}", a.home)), None);
        assert_eq!(b.nobody("Worker-1"), None, "never itself");
        writer.end();
        assert_eq!(a.nobody("Worker-1"), None);
        assert_eq!(std::fs::read_dir(&directory).expect("a directory").count(), 0, "nothing is left");
    }
}

//! Many readers and senders at one mailbox at once.

use std::{collections::BTreeSet, sync::Mutex, thread};

use super::*;

const SENDERS: usize = 4;
const EACH: usize = 100;

#[test]
fn readers_at_once_get_each_message_once_and_what_one_gave_back_marked() {
    let rig = Rig::new();
    let got = Mutex::new(BTreeSet::new());
    let given_back = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let rig = &rig;
            scope.spawn(move || {
                for n in 0..EACH {
                    rig.send(&format!("{sender}-{n}"));
                }
            });
        }
        for reader in 0..4 {
            let (rig, got, given_back) = (&rig, &got, &given_back);
            scope.spawn(move || {
                while got.lock().unwrap().len() < SENDERS * EACH {
                    let handed = rig.mail.take(&rig.to, Manner::Final, 3, 1 << 20).expect("a disk in memory");
                    let keep = reader > 0 || handed.messages.len() < 2;
                    for message in &handed.messages {
                        let number = message.number;
                        let was_back = given_back.lock().unwrap().contains(&number);
                        assert_eq!(message.redelivered, was_back, "{number}");
                        if keep {
                            assert!(got.lock().unwrap().insert(number), "{number} came twice");
                        } else {
                            given_back.lock().unwrap().insert(number);
                        }
                    }
                    if keep {
                        handed.sent();
                    }
                }
            });
        }
    });
    assert_eq!(rig.mail.waiting(&rig.to), 0);
}

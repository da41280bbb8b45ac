use super::*;

/// Runs the queue from `now` on, in steps of 1 ms, until it is idle: what was written, and when.
fn play(queue: &mut Queue<u32>, start: u64, bracketed: bool) -> Vec<(u64, String)> {
    let mut log = Vec::new();
    let mut now = start;
    loop {
        let wait = match queue.next(now, bracketed) {
            Action::Write(bytes) => {
                let bytes = bytes.to_vec();
                log.push((now - start, String::from_utf8(bytes.clone()).unwrap()));
                queue.wrote(bytes.len(), now);
                None
            }
            Action::Wait(until) => Some(until),
            Action::Idle => return log,
            Action::Failed(tag) => panic!("{tag} failed"),
        };
        if let Some(until) = wait {
            assert!(until > now);
            now += 1;
        }
    }
}

fn written(log: &[(u64, &str)]) -> Vec<(u64, String)> {
    log.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
}

#[test]
fn case_l57_cr_then_text_and_cr_then_three_delayed_crs() {
    let mut queue = Queue::default();
    queue.push_text("hello", Submit::Thrice, 1).unwrap();
    let log = play(&mut queue, 1_000, false);
    assert_eq!(log, written(&[(0, "\r"), (0, "hello\r"), (200, "\r"), (400, "\r"), (600, "\r")]));
}

#[test]
fn submit_once_is_the_text_and_one_cr() {
    let mut queue = Queue::default();
    queue.push_text("hello", Submit::Once, 1).unwrap();
    assert_eq!(play(&mut queue, 0, false), written(&[(0, "hello\r")]));
}

#[test]
fn a_delivery_begins_only_after_the_last_cr_of_the_one_before() {
    let mut queue = Queue::default();
    queue.push_text("one", Submit::Thrice, 1).unwrap();
    queue.push_text("two", Submit::Thrice, 2).unwrap();
    let log = play(&mut queue, 0, false);
    let mut expected = written(&[(0, "\r"), (0, "one\r"), (200, "\r"), (400, "\r"), (600, "\r")]);
    expected.extend(written(&[(600, "\r"), (600, "two\r"), (800, "\r"), (1000, "\r"), (1200, "\r")]));
    assert_eq!(log, expected);
}

/// Somebody who may type fills the queue; the owner's keys wait for the delivery that has begun, and
/// for no other.
#[test]
fn keys_go_before_deliveries_that_have_not_begun() {
    let mut queue = Queue::default();
    queue.push_text("one", Submit::Thrice, 1).unwrap();
    queue.push_text("two", Submit::Once, 2).unwrap();
    assert_eq!(queue.next(0, false), Action::Write(b"\r"));
    queue.push_keys(b"k").unwrap();
    queue.push_keys(b"eys").unwrap();
    let log = play(&mut queue, 0, false);
    let expected =
        [(0, "\r"), (0, "one\r"), (200, "\r"), (400, "\r"), (600, "\r"), (600, "keys"), (600, "two\r")];
    assert_eq!(log, written(&expected));
}

#[test]
fn a_delivery_is_told_when_its_text_is_written_and_once() {
    let mut queue = Queue::default();
    queue.push_text("ab", Submit::Thrice, 7).unwrap();
    assert_eq!(queue.next(0, false), Action::Write(b"\r"));
    assert_eq!(queue.wrote(1, 0), None);
    assert_eq!(queue.next(0, false), Action::Write(b"ab\r"));
    assert_eq!(queue.wrote(2, 0), None);
    assert_eq!(queue.next(3, false), Action::Write(b"\r"));
    assert_eq!(queue.wrote(1, 5), Some(7));
    // The delays count from the moment the text was taken.
    assert_eq!(queue.next(5, false), Action::Wait(205));
    assert_eq!(queue.clear().count(), 0);
}

#[test]
fn text_is_wrapped_where_bracketed_paste_is_on() {
    let mut queue = Queue::default();
    queue.push_text("a\nb\x1b[201~c", Submit::Once, 1).unwrap();
    assert_eq!(play(&mut queue, 0, true), written(&[(0, "\x1b[200~a\nb[201~c\x1b[201~\r")]));
}

#[test]
fn a_full_terminal_queue_refuses() {
    let mut queue = Queue::default();
    for tag in 0..limits::TERMINAL_QUEUE as u32 {
        queue.push_text("x", Submit::Once, tag).unwrap();
    }
    assert_eq!(queue.push_text("x", Submit::Once, 99), Err(Full));
    assert_eq!(queue.next(0, false), Action::Write(b"x\r"));
    assert_eq!(queue.push_keys(b"k"), Ok(()), "the keyboard is not the deliveries' to fill");
    assert_eq!(queue.wrote(2, 0), Some(0));
    assert_eq!(queue.push_text("x", Submit::Once, 99), Ok(()));
}

#[test]
fn keys_wait_in_a_bounded_number_of_bytes() {
    let mut queue: Queue<u32> = Queue::default();
    let taken = (0..).take_while(|_| queue.push_keys(&[b'k'; 1000]).is_ok()).count();
    assert!(taken * 1000 <= KEYS && taken * 1000 > KEYS / 2);
}

#[test]
fn a_terminal_that_takes_nothing_fails_the_delivery() {
    let mut queue = Queue::default();
    queue.push_text("stuck", Submit::Once, 1).unwrap();
    queue.push_text("next", Submit::Once, 2).unwrap();
    assert_eq!(queue.next(100, false), Action::Write(b"stuck\r"));
    let deadline = 100 + limits::TERMINAL_WRITE_MS;
    assert_eq!(queue.write_deadline(), Some(deadline));
    assert_eq!(queue.next(deadline - 1, false), Action::Write(b"stuck\r"));
    assert_eq!(queue.next(deadline, false), Action::Failed(1));
    // The next one gets its own time.
    assert_eq!(queue.next(deadline, false), Action::Write(b"next\r"));
    assert_eq!(queue.wrote(5, deadline), Some(2));
    assert_eq!(queue.next(deadline, false), Action::Idle);
}

#[test]
fn what_was_not_written_is_told_at_the_end() {
    let mut queue = Queue::default();
    queue.push_text("a", Submit::Thrice, 1).unwrap();
    queue.push_text("b", Submit::Thrice, 2).unwrap();
    queue.next(0, false);
    queue.wrote(1, 0);
    queue.next(0, false);
    assert_eq!(queue.wrote(2, 0), Some(1));
    assert_eq!(queue.clear().collect::<Vec<_>>(), [2]);
    assert_eq!(queue.next(0, false), Action::Idle);
}

//! Descriptors over a unix stream (SCM_RIGHTS, `man 7 unix`), and what a socket that came that way is.
//!
//! What is received belongs to somebody from the first moment on, also where there is more of it than was asked
//! for, and is not inherited by what is started meanwhile. Nothing here waits.

#![forbid(unsafe_code)]

use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use socket2::{MsgHdr, SockRef};

use super::calls;

/// A control message begins with its length, which counts this head, its level and its kind. The length is
/// the kernel's size_t.
const HEAD: usize = size_of::<usize>() + 2 * size_of::<libc::c_int>();
/// A descriptor in it.
const NUMBER: usize = size_of::<libc::c_int>();
/// Room for four descriptors: more than one is refused, and what has no room the kernel does not give.
const ROOM: usize = HEAD + 4 * NUMBER;

/// Sends bytes, and with them one descriptor, which stays open here too. How many bytes went; those may be
/// fewer, the descriptor went with the first one.
pub fn send(to: &UnixStream, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let mut control = Vec::with_capacity(HEAD + NUMBER);
    control.extend((HEAD + NUMBER).to_ne_bytes());
    for number in [libc::SOL_SOCKET, libc::SCM_RIGHTS, descriptor.as_raw_fd()] {
        control.extend(number.to_ne_bytes());
    }
    // The kernel takes a message whose length is not rounded up, where it is the last one.
    let parts = [IoSlice::new(bytes)];
    let message = MsgHdr::new().with_buffers(&parts).with_control(&control);
    SockRef::from(to).sendmsg(&message, libc::MSG_NOSIGNAL)
}

/// Receives bytes, and all descriptors that came with them. `WouldBlock` where nothing is there yet.
pub fn receive(from: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = [0; ROOM];
    let [count, used] = calls::receive(from.as_fd(), bytes, &mut control)?;
    let numbers = numbers(control.get(..used).unwrap_or_default());
    let descriptors: io::Result<Vec<OwnedFd>> = numbers.into_iter().map(calls::received).collect();
    Ok((count, descriptors?))
}

/// The descriptors in what the kernel wrote. There is one message only: no socket of ours asks for another kind.
fn numbers(control: &[u8]) -> Vec<libc::c_int> {
    let integers = |bytes: &[u8]| -> Vec<libc::c_int> {
        let (chunks, _) = bytes.as_chunks::<NUMBER>();
        chunks.iter().map(|chunk| libc::c_int::from_ne_bytes(*chunk)).collect()
    };
    let Some((length, rest)) = control.split_first_chunk().map(|(l, rest)| (usize::from_ne_bytes(*l), rest))
    else {
        return Vec::new();
    };
    let body = rest.get(..length.saturating_sub(size_of::<usize>())).unwrap_or(rest);
    match integers(body).split_first_chunk() {
        Some((&[libc::SOL_SOCKET, libc::SCM_RIGHTS], descriptors)) => descriptors.to_vec(),
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read, Write},
    };

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_bytes_and_is_not_inherited() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        assert_eq!(send(&ours, b"here", writer.as_fd()).unwrap(), 4);
        drop(writer);
        let mut bytes = [0; 16];
        let (count, mut got) = receive(&theirs, &mut bytes).unwrap();
        assert_eq!((&bytes[..count], got.len()), (&b"here"[..], 1));
        let got = got.pop().unwrap();
        let flags = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", got.as_raw_fd())).unwrap();
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        assert_ne!(i32::from_str_radix(flags, 8).unwrap() & libc::O_CLOEXEC, 0, "{flags}");
        File::from(got).write_all(b"x").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn nothing_is_waited_for_and_bytes_come_alone_too() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut bytes = [0; 4];
        assert_eq!(receive(&theirs, &mut bytes).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        ours.write_all(b"a").unwrap();
        assert!(matches!(receive(&theirs, &mut bytes), Ok((1, none)) if none.is_empty()));
        drop(ours);
        assert!(matches!(receive(&theirs, &mut bytes), Ok((0, none)) if none.is_empty()));
    }

    /// Sends more than one in one message, as only a stranger would.
    fn send_many(to: &UnixStream, descriptor: &impl AsRawFd, many: usize) {
        let mut control = (HEAD + many * NUMBER).to_ne_bytes().to_vec();
        let numbers = std::iter::repeat_n(descriptor.as_raw_fd(), many);
        for number in [libc::SOL_SOCKET, libc::SCM_RIGHTS].into_iter().chain(numbers) {
            control.extend(number.to_ne_bytes());
        }
        let parts = [IoSlice::new(b"many")];
        let message = MsgHdr::new().with_buffers(&parts).with_control(&control);
        SockRef::from(to).sendmsg(&message, 0).unwrap();
    }

    #[test]
    fn what_is_received_beyond_one_belongs_to_the_caller_and_is_bounded() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for (sent, got) in [(2, 2), (4, 4), (30, 4)] {
            send_many(&ours, &ours, sent);
            let (_, descriptors) = receive(&theirs, &mut [0; 8]).unwrap();
            // The last one may need the room that is left by alignment.
            assert!((got..=got + 1).contains(&descriptors.len()), "{sent}: {}", descriptors.len());
        }
    }

    #[test]
    fn bytes_that_are_no_control_message_hold_no_descriptor() {
        for bytes in
            [&[][..], &[1; 7], &[0xff; 16], &[0xff; 64], &[0; 64], &[16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]]
        {
            assert_eq!(numbers(bytes), [0; 0], "{bytes:?}");
        }
    }
}

//! What the two sides say to each other: frames, and how they are told apart.
//!
//! The table of frames is in the documentation of the crate. Here is what comes of bytes: an
//! [`Inbox`] takes them as they come, in whatever pieces, and gives whole frames; a [`Violation`]
//! where there is none. It trusts nobody: a length is compared with the limit before anything is
//! allocated for it, and memory grows with the bytes that are there, not with those that are promised.

use std::fmt;

/// The version of the protocol that is spoken here.
pub const VERSION: u8 = 1;

/// The smallest limit for a frame: what is not of the user fits in it.
pub const LEAST_FRAME: usize = 64;

const MAGIC: [u8; 4] = *b"MLST";
const PREFIX: usize = 4;
/// As many bytes are asked of a reader at a time.
pub(crate) const READ: usize = 16 << 10;

mod kind {
    pub(super) const HELLO: u8 = 0x01;
    pub(super) const REQUEST: u8 = 0x02;
    pub(super) const NEXT: u8 = 0x03;
    pub(super) const COMPLETE: u8 = 0x04;
    pub(super) const ERROR: u8 = 0x05;
    pub(super) const FAULT: u8 = 0x06;
    pub(super) const CANCEL: u8 = 0x07;
    pub(super) const DONE: u8 = 0x08;
    /// From here on whoever does not know a frame passes over it.
    pub(super) const OPTIONAL: u8 = 0x80;
}

/// Which side of a stream somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It sends the items.
    Serves,
    /// It asks for them.
    Receives,
}

impl Role {
    fn byte(self) -> u8 {
        match self {
            Role::Serves => 0,
            Role::Receives => 1,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Serves => "serves",
            Role::Receives => "receives",
        })
    }
}

/// Why a stream is not wanted any more, as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why<'a> {
    NoMoreNeeded,
    Failed,
    Given(&'a str),
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Hello {
        role: Role,
        max_frame: u32,
    },
    /// `sum` of all that was asked for so far; of that, `received` items have come.
    Request {
        sum: u64,
        received: u64,
    },
    Next {
        sequence: u64,
        payload: &'a [u8],
    },
    Complete {
        count: u64,
    },
    Error {
        count: u64,
        payload: &'a [u8],
    },
    Fault {
        count: u64,
        text: &'a [u8],
    },
    Cancel {
        received: u64,
        why: Why<'a>,
    },
    Done {
        received: u64,
    },
    /// Of a later version that need not be understood.
    Optional,
}

impl Frame<'_> {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Frame::Hello { .. } => "HELLO",
            Frame::Request { .. } => "REQUEST",
            Frame::Next { .. } => "NEXT",
            Frame::Complete { .. } => "COMPLETE",
            Frame::Error { .. } => "ERROR",
            Frame::Fault { .. } => "FAULT",
            Frame::Cancel { .. } => "CANCEL",
            Frame::Done { .. } => "DONE",
            Frame::Optional => "a frame that need not be understood",
        }
    }
}

/// How a peer broke the protocol: what, the bound, and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The first bytes are not those of this protocol.
    Magic {
        /// What came.
        got: [u8; 4],
    },
    /// Another version.
    Version {
        /// The peer's.
        got: u8,
    },
    /// A side that is none.
    Side {
        /// What it says.
        got: u8,
    },
    /// Both sides serve, or both receive.
    Role {
        /// What both are.
        both: Role,
    },
    /// A frame that is longer than the limit of this side. It was not read.
    TooLong {
        /// How long it would be, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A peer that takes no frame long enough for what the protocol itself has to say.
    Limit {
        /// The peer's limit, in bytes.
        got: u64,
    },
    /// A frame of a kind that is not known.
    Kind {
        /// Its kind.
        got: u8,
    },
    /// A frame whose body is not as long as its kind has it.
    Body {
        /// Which.
        frame: &'static str,
        /// How long the body is, in bytes.
        length: u64,
        /// How long it is at least, in bytes.
        least: u64,
    },
    /// A frame that this side is not to be sent, or not now.
    Misplaced {
        /// Which.
        frame: &'static str,
        /// What is to come instead.
        instead: &'static str,
    },
    /// An item that is not the next.
    Sequence {
        /// Its number, from zero.
        got: u64,
        /// The number of the next.
        expected: u64,
    },
    /// An item that was not asked for (rule 1.1).
    Unasked {
        /// Its number, from zero.
        sequence: u64,
        /// How many were asked for.
        asked: u64,
    },
    /// An end that says how many items there were, and it was another number that came.
    Count {
        /// What it says.
        got: u64,
        /// How many came.
        came: u64,
    },
    /// Items are said to have come that were not sent.
    Received {
        /// How many are said to have come.
        got: u64,
        /// How many were sent.
        sent: u64,
    },
    /// The end is confirmed by a peer that has not all.
    Confirmed {
        /// How many it has.
        received: u64,
        /// How many were sent.
        sent: u64,
    },
    /// The connection ended in the middle of a frame.
    Truncated {
        /// How many bytes of it were there.
        have: u64,
        /// How many it has, as far as is known.
        of: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Magic { got } => write!(
                f,
                "the peer does not speak this protocol: its first bytes are {:?}, not {:?}",
                got.escape_ascii().to_string(),
                MAGIC.escape_ascii().to_string(),
            ),
            Violation::Version { got } => {
                write!(f, "the peer speaks version {got} of the protocol, and this side {VERSION}")
            }
            Violation::Side { got } => {
                write!(f, "the peer is on side {got}, and there are 0, which serves, and 1")
            }
            Violation::Role { both } => write!(f, "the peer {both}, and so does this side"),
            Violation::TooLong { length, limit } => {
                write!(f, "a frame of {length} bytes, and at most {limit} are taken")
            }
            Violation::Limit { got } => write!(
                f,
                "the peer takes frames of at most {got} bytes, and the protocol needs {LEAST_FRAME}"
            ),
            Violation::Kind { got } => write!(f, "a frame of the unknown kind {got:#04x}"),
            Violation::Body { frame, length, least } => {
                write!(f, "{frame} with a body of {length} bytes, and it has {least} at least")
            }
            Violation::Misplaced { frame, instead } => {
                write!(f, "{frame} where there can be {instead}")
            }
            Violation::Sequence { got, expected } => {
                write!(f, "item {got}, and the next is {expected}")
            }
            Violation::Unasked { sequence, asked } => write!(
                f,
                "rule 1.1: item {sequence} was not asked for: {asked} were, and the first is item 0"
            ),
            Violation::Count { got, came } => {
                write!(f, "the peer says that it sent {got} items, and {came} came")
            }
            Violation::Received { got, sent } => {
                write!(f, "the peer says that {got} items came, and {sent} were sent")
            }
            Violation::Confirmed { received, sent } => {
                write!(f, "the peer confirms the end with {received} items, and {sent} were sent")
            }
            Violation::Truncated { have, of } => {
                write!(f, "the connection ended after {have} of the {of} bytes of a frame")
            }
        }
    }
}

impl std::error::Error for Violation {}

/// Appends `frame` to `out`.
pub(crate) fn put(frame: &Frame<'_>, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    match *frame {
        Frame::Hello { role, max_frame } => {
            out.push(kind::HELLO);
            out.extend_from_slice(&MAGIC);
            out.push(VERSION);
            out.push(role.byte());
            out.extend_from_slice(&max_frame.to_be_bytes());
        }
        Frame::Request { sum, received } => {
            out.push(kind::REQUEST);
            out.extend_from_slice(&sum.to_be_bytes());
            out.extend_from_slice(&received.to_be_bytes());
        }
        Frame::Next { sequence, payload } => numbered(kind::NEXT, sequence, payload, out),
        Frame::Complete { count } => numbered(kind::COMPLETE, count, &[], out),
        Frame::Error { count, payload } => numbered(kind::ERROR, count, payload, out),
        Frame::Fault { count, text } => numbered(kind::FAULT, count, text, out),
        Frame::Cancel { received, why } => {
            numbered(kind::CANCEL, received, &[], out);
            let (why, text) = match why {
                Why::NoMoreNeeded => (0, ""),
                Why::Failed => (1, ""),
                Why::Given(text) => (2, text),
            };
            out.push(why);
            out.extend_from_slice(text.as_bytes());
        }
        Frame::Done { received } => numbered(kind::DONE, received, &[], out),
        Frame::Optional => out.push(kind::OPTIONAL),
    }
    let length = (out.len() - at - PREFIX) as u32;
    out[at..at + PREFIX].copy_from_slice(&length.to_be_bytes());
}

fn numbered(kind: u8, number: u64, rest: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(rest);
}

/// How long an item, or an error, of `payload` bytes is as a frame, as the limits count.
pub(crate) fn length_with(payload: usize) -> u64 {
    payload as u64 + 9
}

/// `text` as far as it fits into a frame of `limit` bytes, behind what else is in it.
pub(crate) fn fitting(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit.saturating_sub(16))]
}

/// Bytes as they come, and the frames in them.
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// What was given is before it.
    start: usize,
    /// What has come is before it.
    end: usize,
    limit: usize,
}

impl Inbox {
    /// For frames of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Inbox {
        Inbox { bytes: Vec::new(), start: 0, end: 0, limit }
    }

    /// Room for what comes next: at least one byte. At most what was there once more, or
    /// [`READ`] bytes.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // What one long frame needed is not kept for ever.
            if self.bytes.len() > READ {
                self.bytes = Vec::new();
            }
        } else if self.start > 0 && self.bytes.len() - self.end < READ / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.is_empty() || self.end == self.bytes.len() {
            let longer = (2 * self.bytes.len()).clamp(READ, PREFIX + self.limit.max(READ));
            self.bytes.resize(longer.max(self.end + 1), 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes of the [`space`](Inbox::space) were filled.
    pub(crate) fn filled(&mut self, n: usize) {
        self.end += n;
    }

    fn there(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether there is a whole frame.
    pub(crate) fn is_ready(&self) -> Result<bool, Violation> {
        Ok(self.length()?.is_some_and(|length| self.there().len() - PREFIX >= length))
    }

    /// How long the next frame is, where that is known.
    fn length(&self) -> Result<Option<usize>, Violation> {
        let Some(prefix) = self.there().first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        if u64::from(length) > self.limit as u64 {
            let limit = self.limit as u64;
            return Err(Violation::TooLong { length: length.into(), limit });
        }
        Ok(Some(length as usize))
    }

    /// The next frame, if it is [there](Inbox::is_ready).
    pub(crate) fn take(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        let Some(length) = self.length()? else { return Ok(None) };
        let begin = self.start + PREFIX;
        if self.end - begin < length {
            return Ok(None);
        }
        self.start = begin + length;
        parse(&self.bytes[begin..begin + length]).map(Some)
    }

    /// The connection is over.
    pub(crate) fn end(&self) -> Result<(), Violation> {
        let have = self.there().len();
        if have == 0 {
            return Ok(());
        }
        let of = PREFIX + self.length()?.unwrap_or(0);
        Err(Violation::Truncated { have: have as u64, of: of as u64 })
    }

    /// Forgets what is there.
    pub(crate) fn clear(&mut self) {
        self.start = self.end;
    }

    /// How many bytes are held.
    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

fn parse(frame: &[u8]) -> Result<Frame<'_>, Violation> {
    let Some((&of, body)) = frame.split_first() else {
        return Err(Violation::Body { frame: "a frame", length: 0, least: 1 });
    };
    match of {
        kind::HELLO => hello(body),
        kind::REQUEST => {
            let (sum, rest) = number("REQUEST", body, 16)?;
            match number("REQUEST", rest, 16) {
                Ok((received, _)) => Ok(Frame::Request { sum, received }),
                Err(_) => Err(short("REQUEST", body, 16)),
            }
        }
        kind::NEXT => {
            number("NEXT", body, 8).map(|(sequence, payload)| Frame::Next { sequence, payload })
        }
        kind::COMPLETE => number("COMPLETE", body, 8).map(|(count, _)| Frame::Complete { count }),
        kind::ERROR => {
            number("ERROR", body, 8).map(|(count, payload)| Frame::Error { count, payload })
        }
        kind::FAULT => number("FAULT", body, 8).map(|(count, text)| Frame::Fault { count, text }),
        kind::CANCEL => {
            let (received, rest) = number("CANCEL", body, 9)?;
            let why = match rest.split_first() {
                Some((0, _)) => Why::NoMoreNeeded,
                Some((2, text)) => Why::Given(lossless(text)),
                // One that is not known is some failure.
                Some(_) => Why::Failed,
                None => return Err(short("CANCEL", body, 9)),
            };
            Ok(Frame::Cancel { received, why })
        }
        kind::DONE => number("DONE", body, 8).map(|(received, _)| Frame::Done { received }),
        of if of >= kind::OPTIONAL => Ok(Frame::Optional),
        got => Err(Violation::Kind { got }),
    }
}

/// As far as it is UTF-8.
fn lossless(text: &[u8]) -> &str {
    match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
    }
}

fn short(frame: &'static str, body: &[u8], least: u64) -> Violation {
    Violation::Body { frame, length: body.len() as u64, least }
}

/// A number at the beginning of what is left of a body, which has `least` bytes in all.
fn number<'a>(
    frame: &'static str,
    body: &'a [u8],
    least: u64,
) -> Result<(u64, &'a [u8]), Violation> {
    match body.split_first_chunk::<8>() {
        Some((number, rest)) => Ok((u64::from_be_bytes(*number), rest)),
        None => Err(short(frame, body, least)),
    }
}

fn hello(body: &[u8]) -> Result<Frame<'_>, Violation> {
    let Some((magic, rest)) = body.split_first_chunk::<4>() else {
        return Err(short("HELLO", body, 10));
    };
    if *magic != MAGIC {
        return Err(Violation::Magic { got: *magic });
    }
    // What follows the version is of that version.
    match rest.first() {
        Some(&VERSION) => {}
        Some(&got) => return Err(Violation::Version { got }),
        None => return Err(short("HELLO", body, 10)),
    }
    let (Some(role), Some(limit)) =
        (rest.get(1), rest.get(2..6).and_then(|limit| limit.first_chunk::<4>()))
    else {
        return Err(short("HELLO", body, 10));
    };
    let role = match *role {
        0 => Role::Serves,
        1 => Role::Receives,
        got => return Err(Violation::Side { got }),
    };
    let max_frame = u32::from_be_bytes(*limit);
    if (max_frame as usize) < LEAST_FRAME {
        return Err(Violation::Limit { got: max_frame.into() });
    }
    Ok(Frame::Hello { role, max_frame })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 256;

    fn all() -> Vec<Frame<'static>> {
        vec![
            Frame::Hello { role: Role::Serves, max_frame: 64 },
            Frame::Hello { role: Role::Receives, max_frame: u32::MAX },
            Frame::Request { sum: u64::MAX, received: 7 },
            Frame::Next { sequence: 0, payload: b"" },
            Frame::Next { sequence: 1 << 40, payload: b"an item" },
            Frame::Complete { count: 2 },
            Frame::Error { count: 3, payload: b"why" },
            Frame::Fault { count: 4, text: b"how" },
            Frame::Cancel { received: 5, why: Why::NoMoreNeeded },
            Frame::Cancel { received: 6, why: Why::Failed },
            Frame::Cancel { received: 7, why: Why::Given("the disk is full") },
            Frame::Done { received: 8 },
            Frame::Optional,
        ]
    }

    fn bytes(frames: &[Frame<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| put(frame, &mut bytes));
        bytes
    }

    /// The frames in what comes in pieces, as they are shown, and how it ended.
    fn read<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        limit: usize,
    ) -> (Vec<String>, Result<(), Violation>) {
        let mut inbox = Inbox::new(limit);
        let mut frames = Vec::new();
        for mut piece in pieces {
            while !piece.is_empty() {
                let space = inbox.space();
                let n = space.len().min(piece.len());
                space[..n].copy_from_slice(&piece[..n]);
                inbox.filled(n);
                piece = &piece[n..];
                assert!(inbox.capacity() <= PREFIX + 2 * limit.max(READ), "it grows without bound");
                loop {
                    let ready = inbox.is_ready();
                    match inbox.take() {
                        Ok(Some(frame)) => {
                            assert_eq!(ready, Ok(true));
                            frames.push(format!("{frame:?}"));
                        }
                        Ok(None) => {
                            assert_eq!(ready, Ok(false));
                            break;
                        }
                        Err(violation) => return (frames, Err(violation)),
                    }
                }
            }
        }
        let end = inbox.end();
        (frames, end)
    }

    fn shown(frames: &[Frame<'_>]) -> Vec<String> {
        frames.iter().map(|frame| format!("{frame:?}")).collect()
    }

    fn refused(bytes: &[u8]) -> Violation {
        let (frames, end) = read([bytes], LIMIT);
        assert_eq!(frames, Vec::<String>::new());
        end.expect_err("it is refused")
    }

    /// A frame of this kind with this body.
    fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32 + 1).to_be_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn what_is_put_is_read_however_it_is_cut_in_two() {
        let bytes = bytes(&all());
        for at in 0..=bytes.len() {
            let (frames, end) = read([&bytes[..at], &bytes[at..]], LIMIT);
            assert_eq!((frames, end), (shown(&all()), Ok(())), "cut at {at}");
        }
    }

    #[test]
    fn what_is_put_is_read_byte_by_byte() {
        let bytes = bytes(&all());
        assert_eq!(read(bytes.chunks(1), LIMIT), (shown(&all()), Ok(())));
    }

    #[test]
    fn a_connection_that_ends_in_a_frame_says_where() {
        for frame in all() {
            let bytes = bytes(&[frame]);
            for at in 1..bytes.len() {
                let of = if at < PREFIX { PREFIX } else { bytes.len() };
                let truncated = Violation::Truncated { have: at as u64, of: of as u64 };
                assert_eq!(read([&bytes[..at]], LIMIT), (vec![], Err(truncated)), "{frame:?}");
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_table() {
        assert_eq!(
            bytes(&[Frame::Hello { role: Role::Receives, max_frame: 0x0102_0304 }]),
            b"\0\0\0\x0b\x01MLST\x01\x01\x01\x02\x03\x04"
        );
        assert_eq!(
            bytes(&[Frame::Request { sum: 258, received: 1 }]),
            b"\0\0\0\x11\x02\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x01"
        );
        assert_eq!(
            bytes(&[Frame::Next { sequence: 1, payload: b"hi" }]),
            b"\0\0\0\x0b\x03\0\0\0\0\0\0\0\x01hi"
        );
        assert_eq!(bytes(&[Frame::Complete { count: 2 }]), b"\0\0\0\x09\x04\0\0\0\0\0\0\0\x02");
        assert_eq!(
            bytes(&[Frame::Error { count: 2, payload: b"e" }]),
            b"\0\0\0\x0a\x05\0\0\0\0\0\0\0\x02e"
        );
        assert_eq!(
            bytes(&[Frame::Fault { count: 2, text: b"f" }]),
            b"\0\0\0\x0a\x06\0\0\0\0\0\0\0\x02f"
        );
        assert_eq!(
            bytes(&[Frame::Cancel { received: 2, why: Why::Given("c") }]),
            b"\0\0\0\x0b\x07\0\0\0\0\0\0\0\x02\x02c"
        );
        assert_eq!(bytes(&[Frame::Done { received: 3 }]), b"\0\0\0\x09\x08\0\0\0\0\0\0\0\x03");
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_allocated_for_it() {
        let refused = refused(&[0xff; PREFIX]);
        assert_eq!(refused, Violation::TooLong { length: u32::MAX.into(), limit: LIMIT as u64 });
        assert_eq!(refused.to_string(), "a frame of 4294967295 bytes, and at most 256 are taken");
        let exact = bytes(&[Frame::Next { sequence: 0, payload: &[7; LIMIT - 9] }]);
        assert_eq!(read([&*exact], LIMIT).0.len(), 1);
        let over = bytes(&[Frame::Next { sequence: 0, payload: &[7; LIMIT - 8] }]);
        let violation = Violation::TooLong { length: LIMIT as u64 + 1, limit: LIMIT as u64 };
        assert_eq!(read([&*over], LIMIT), (vec![], Err(violation)));
    }

    #[test]
    fn memory_grows_with_what_came_and_not_with_what_is_promised() {
        let mut inbox = Inbox::new(1 << 30);
        inbox.space()[..PREFIX].copy_from_slice(&(1_u32 << 30).to_be_bytes());
        inbox.filled(PREFIX);
        assert_eq!(inbox.is_ready(), Ok(false));
        let room = inbox.space().len();
        assert!(inbox.capacity() <= READ && room < READ, "{} for 4 bytes", inbox.capacity());
    }

    #[test]
    fn the_memory_of_a_long_frame_is_given_back() {
        let long = vec![1; 1 << 20];
        let bytes = bytes(&[Frame::Next { sequence: 0, payload: &long }]);
        let mut inbox = Inbox::new(1 << 21);
        let mut left = &*bytes;
        while !left.is_empty() {
            let space = inbox.space();
            let n = space.len().min(left.len());
            space[..n].copy_from_slice(&left[..n]);
            inbox.filled(n);
            left = &left[n..];
        }
        assert!(matches!(inbox.take(), Ok(Some(Frame::Next { .. }))));
        assert!(!inbox.space().is_empty());
        assert!(inbox.capacity() <= READ);
    }

    #[test]
    fn what_is_no_frame_is_refused_and_says_what_bound_and_value() {
        let hello = |rest: &[u8]| raw(0x01, rest);
        for (bytes, violation, text) in [
            (
                b"\0\0\0\0".to_vec(),
                Violation::Body { frame: "a frame", length: 0, least: 1 },
                "a frame with a body of 0 bytes, and it has 1 at least",
            ),
            (raw(0x7f, b""), Violation::Kind { got: 0x7f }, "a frame of the unknown kind 0x7f"),
            (
                hello(b"HTTP\x01\x00\0\0\x10\0"),
                Violation::Magic { got: *b"HTTP" },
                "the peer does not speak this protocol: its first bytes are \"HTTP\", not \"MLST\"",
            ),
            (
                // What follows the version is of that version: it may be shorter.
                hello(b"MLST\x02"),
                Violation::Version { got: 2 },
                "the peer speaks version 2 of the protocol, and this side 1",
            ),
            (
                hello(b"MLST\x01\x00\0\0\0"),
                Violation::Body { frame: "HELLO", length: 9, least: 10 },
                "HELLO with a body of 9 bytes, and it has 10 at least",
            ),
            (
                hello(b"MLST\x01\x00\0\0\0\x3f"),
                Violation::Limit { got: 63 },
                "the peer takes frames of at most 63 bytes, and the protocol needs 64",
            ),
            (
                hello(b"MLST\x01\x02\0\0\0\x40"),
                Violation::Side { got: 2 },
                "the peer is on side 2, and there are 0, which serves, and 1",
            ),
            (
                raw(0x02, &[0; 15]),
                Violation::Body { frame: "REQUEST", length: 15, least: 16 },
                "REQUEST with a body of 15 bytes, and it has 16 at least",
            ),
            (
                raw(0x03, &[0; 7]),
                Violation::Body { frame: "NEXT", length: 7, least: 8 },
                "NEXT with a body of 7 bytes, and it has 8 at least",
            ),
            (
                raw(0x07, &[0; 8]),
                Violation::Body { frame: "CANCEL", length: 8, least: 9 },
                "CANCEL with a body of 8 bytes, and it has 9 at least",
            ),
        ] {
            let refused = refused(&bytes);
            assert_eq!((refused.to_string().as_str(), &refused), (text, &violation));
        }
    }

    #[test]
    fn what_need_not_be_understood_is_passed_over() {
        let mut bytes = raw(0x80, b"of a later version");
        bytes.extend(raw(0xff, b""));
        // A hello may be longer than it has to be.
        bytes.extend(raw(0x01, b"MLST\x01\x00\0\0\x10\0\x00\x01\x00\x02hi"));
        let hello = Frame::Hello { role: Role::Serves, max_frame: 4096 };
        let frames = shown(&[Frame::Optional, Frame::Optional, hello]);
        assert_eq!(read([&*bytes], LIMIT), (frames, Ok(())));
    }

    #[test]
    fn text_that_is_cut_is_cut_between_its_letters() {
        let text = "ä".repeat(100);
        let fits = fitting(&text, LEAST_FRAME);
        assert!(!fits.is_empty() && fits.len() <= LEAST_FRAME);
        let mut cancel = bytes(&[Frame::Cancel { received: 0, why: Why::Given(fits) }]);
        assert!(cancel.len() <= PREFIX + LEAST_FRAME);
        // And what was cut elsewhere is read as far as it goes.
        cancel.truncate(cancel.len() - 1);
        let length = (cancel.len() - PREFIX) as u32;
        cancel[..PREFIX].copy_from_slice(&length.to_be_bytes());
        assert_eq!(read([&*cancel], LIMIT).1, Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_frames_or_refused_and_the_pieces_do_not_matter(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            pieces in proptest::collection::vec(1_usize..40, 1..40),
        ) {
            prop_assert_eq!(cut(&bytes, &pieces), read([&*bytes], LIMIT));
        }

        #[test]
        fn frames_that_were_damaged_are_frames_or_refused(
            which in proptest::collection::vec(0_usize..13, 1..8),
            at in any::<proptest::sample::Index>(),
            with in any::<u8>(),
            pieces in proptest::collection::vec(1_usize..40, 1..40),
        ) {
            let frames = which.iter().map(|n| all()[*n]).collect::<Vec<_>>();
            let mut bytes = bytes(&frames);
            prop_assert_eq!(cut(&bytes, &pieces), (shown(&frames), Ok(())));
            let at = at.index(bytes.len());
            bytes[at] = with;
            prop_assert_eq!(cut(&bytes, &pieces), read([&*bytes], LIMIT));
        }
    }

    fn cut(bytes: &[u8], pieces: &[usize]) -> (Vec<String>, Result<(), Violation>) {
        let mut left = bytes;
        let pieces = pieces.iter().cycle().map_while(|n| {
            let (piece, rest) = left.split_at((*n).min(left.len()));
            left = rest;
            (!piece.is_empty()).then_some(piece)
        });
        read(pieces.collect::<Vec<_>>(), LIMIT)
    }
}

//! The frames of the references that frame by hand: a length, an operation, a payload. The answer
//! has the form of the call, so a server changes it where it lies and writes it back.

/// The length of what follows, four bytes, and the operation.
pub(super) const HEADER: usize = 5;

/// A whole frame of [`NEXT`].
pub(super) const SMALL: usize = HEADER + 8;

/// Answered with the number after this one.
pub(super) const NEXT: u8 = 0;
/// Answered with itself.
pub(super) const ECHO: u8 = 1;
/// Answered with numbers of eight bytes without frames, without end.
pub(super) const ITEMS: u8 = 2;
/// Answered with frames of chunks without end.
pub(super) const CHUNKS: u8 = 3;

pub(super) fn header(operation: u8, payload: usize) -> [u8; HEADER] {
    let length = u32::try_from(payload + 1).unwrap_or(u32::MAX).to_le_bytes();
    [length[0], length[1], length[2], length[3], operation]
}

pub(super) fn put_next(bytes: &mut Vec<u8>, n: u64) {
    bytes.extend_from_slice(&header(NEXT, 8));
    bytes.extend_from_slice(&n.to_le_bytes());
}

/// The length of the frame that begins here, if that much of it is there.
pub(super) fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk()?;
    Some(4 + u32::from_le_bytes(*length) as usize)
}

/// The number that a frame of [`NEXT`] carries.
pub(super) fn number(frame: &[u8]) -> Option<u64> {
    frame.get(HEADER..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Answers the frames at the start of `bytes` in their place. Gives how long they are together, and
/// the operation that asks for a stream, if one does.
pub(super) fn answer(bytes: &mut [u8]) -> (usize, Option<u8>) {
    let mut used = 0;
    while let Some(length) = frame_length(&bytes[used..]) {
        let Some(frame) = bytes.get_mut(used..used + length) else { break };
        used += length;
        match frame[HEADER - 1] {
            NEXT => {
                if let Some(n) = number(frame) {
                    frame[HEADER..SMALL].copy_from_slice(&n.wrapping_add(1).to_le_bytes());
                }
            }
            ECHO => {}
            operation => return (used, Some(operation)),
        }
    }
    (used, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_answered_in_their_place() {
        let mut bytes = Vec::new();
        put_next(&mut bytes, 7);
        bytes.extend_from_slice(&header(ECHO, 2));
        bytes.extend_from_slice(b"ab");
        put_next(&mut bytes, 8);
        let cut = bytes.len() - 1;
        assert_eq!(answer(&mut bytes[..cut]), (SMALL + HEADER + 2, None));
        assert_eq!(number(&bytes), Some(8));
        assert!(bytes[SMALL..].starts_with(&[3, 0, 0, 0, ECHO, b'a', b'b', 9, 0, 0, 0]));
        assert_eq!(number(&bytes[SMALL + HEADER + 2..]), Some(8));
    }

    #[test]
    fn a_stream_is_asked_for_behind_calls() {
        let mut bytes = Vec::new();
        put_next(&mut bytes, 1);
        bytes.extend_from_slice(&header(ITEMS, 0));
        assert_eq!(answer(&mut bytes), (SMALL + HEADER, Some(ITEMS)));
    }
}

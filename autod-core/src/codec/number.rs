//! Integers as bincode writes them, for streams of many: one check for room, and no call.

/// The longest form of an integer of up to 64 bits.
pub(super) const LONGEST: usize = 9;

/// Reads an integer whose form is not longer than that, and tells how long it is. `None`: that is for
/// bincode to say, also at the end of the bytes.
#[inline]
pub(super) fn unsigned(bytes: &[u8], longest: usize) -> Option<(u64, usize)> {
    let (first, rest) = bytes.split_first()?;
    if *first < 251 {
        return Some(((*first).into(), 1));
    }
    let word = u64::from_le_bytes(*rest.first_chunk()?);
    let (value, length) = match first {
        251 => (word & 0xffff, 3),
        252 => (word & 0xffff_ffff, 5),
        253 => (word, LONGEST),
        _ => return None,
    };
    (length <= longest).then_some((value, length))
}

/// Appends an integer in the fewest bytes.
#[inline]
pub(super) fn put_unsigned(bytes: &mut Vec<u8>, value: u64) {
    let (first, length) = match value {
        0..=250 => (value.into(), 1),
        251..=0xffff => (251, 3),
        0x1_0000..=0xffff_ffff => (252, 5),
        _ => (253, LONGEST),
    };
    let form = (u128::from(value) << 8 | first).to_le_bytes();
    // What is too much is cut off again: copying all of it costs less than asking how much.
    let start = bytes.len();
    bytes.extend_from_slice(&form[..LONGEST]);
    bytes.truncate(start + length);
}

/// Appends an integer: the small ones of either sign are short.
#[inline]
pub(super) fn put_signed(bytes: &mut Vec<u8>, value: i64) {
    put_unsigned(bytes, (value << 1 ^ value >> 63).cast_unsigned());
}

#[cfg(test)]
mod tests {
    use bincode::config::standard;
    use bincode::encode_to_vec;

    use super::*;

    #[test]
    fn they_are_what_bincode_writes() {
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([250, 251, 252, 253, u64::MAX - 1, u64::MAX]) {
            let mut bytes = vec![7];
            put_unsigned(&mut bytes, value);
            assert_eq!(bytes[1..], encode_to_vec(value, standard()).unwrap(), "{value}");
            let length = bytes.len() - 1;
            bytes.extend_from_slice(&[0xaa; LONGEST]);
            assert_eq!(unsigned(&bytes[1..], length), Some((value, length)));
            assert_eq!(unsigned(&bytes[1..], length - 1), (length == 1).then_some((value, 1)));
            for value in [value.cast_signed(), value.cast_signed().wrapping_neg()] {
                bytes.truncate(1);
                put_signed(&mut bytes, value);
                assert_eq!(bytes[1..], encode_to_vec(value, standard()).unwrap(), "{value}");
            }
        }
    }

    fn read_alike<T>(bytes: &[u8])
    where
        T: bincode::Decode<()>
            + serde::de::DeserializeOwned
            + PartialEq
            + std::fmt::Debug
            + 'static,
    {
        let theirs = bincode::decode_from_slice::<T, _>(bytes, standard()).ok();
        assert_eq!(crate::codec::decode_prefix::<T>(bytes).ok(), theirs, "{bytes:?}");
    }

    #[test]
    fn whatever_the_bytes_are_they_mean_what_bincode_says() {
        for first in 0..=u8::MAX {
            // Also in a longer form than is needed, and with too few bytes for it.
            for fill in [0, 1, 0x80, 0xff] {
                let mut bytes = [fill; 20];
                bytes[0] = first;
                for length in 0..bytes.len() {
                    let bytes = &bytes[..length];
                    read_alike::<u16>(bytes);
                    read_alike::<u32>(bytes);
                    read_alike::<u64>(bytes);
                    read_alike::<usize>(bytes);
                    read_alike::<u128>(bytes);
                    read_alike::<i16>(bytes);
                    read_alike::<i32>(bytes);
                    read_alike::<i64>(bytes);
                    read_alike::<(u64, i64)>(bytes);
                }
            }
        }
    }
}

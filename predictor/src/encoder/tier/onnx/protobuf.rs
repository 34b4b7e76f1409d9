//! Writes Protocol Buffers messages: only the four kinds of field that an ONNX graph needs.
//!
//! A generated library would add hundreds of types for the nine messages of a graph. The format itself is
//! short: <https://protobuf.dev/programming-guides/encoding/>. Large arrays are borrowed until the bytes are
//! built, so the weights of an encoder are copied once.

use crate::encoder::error::EncoderError;

/// The most bytes that a protobuf message may have.
const LIMIT: usize = i32::MAX as usize;

/// How a field's value is laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Delimited = 2,
    Fixed32 = 5,
}

/// A message under construction: its fields in the order in which they were added.
#[derive(Default)]
pub(super) struct Message<'a> {
    pieces: Vec<Piece<'a>>,
    length: usize,
}

enum Piece<'a> {
    Bytes(Vec<u8>),
    Borrowed(&'a [u8]),
    Numbers(&'a [f32]),
}

impl<'a> Message<'a> {
    /// An integer or enumeration.
    pub(super) fn int(mut self, field: u32, value: i64) -> Self {
        let mut bytes = key(field, Wire::Varint);
        // Negative numbers are written as their two's complement in ten bytes.
        varint(&mut bytes, value.cast_unsigned());
        self.push(bytes);
        self
    }

    /// A single-precision number.
    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        let mut bytes = key(field, Wire::Fixed32);
        bytes.extend(value.to_le_bytes());
        self.push(bytes);
        self
    }

    /// A text or bytes.
    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        let mut bytes = delimited(field, value.len());
        bytes.extend(value);
        self.push(bytes);
        self
    }

    /// Single-precision numbers as little-endian bytes.
    pub(super) fn numbers(mut self, field: u32, value: &'a [f32]) -> Self {
        let length = size_of_val(value);
        self.push(delimited(field, length));
        self.borrow(Piece::Numbers(value));
        self
    }

    /// The bytes of a large array.
    pub(super) fn array(mut self, field: u32, value: &'a [u8]) -> Self {
        self.push(delimited(field, value.len()));
        self.borrow(Piece::Borrowed(value));
        self
    }

    /// A message within this one.
    pub(super) fn message(mut self, field: u32, value: Self) -> Self {
        self.push(delimited(field, value.length));
        self.append(value)
    }

    /// Appends the fields of another message to this one.
    pub(super) fn append(mut self, other: Self) -> Self {
        for piece in other.pieces {
            match piece {
                Piece::Bytes(bytes) => self.push(bytes),
                borrowed => self.borrow(borrowed),
            }
        }
        self
    }

    /// The whole message.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, EncoderError> {
        if self.length > LIMIT {
            let reason = format!(
                "the encoder's graph has {} bytes, and protobuf allows at most {LIMIT}; take a smaller encoder",
                self.length
            );
            return Err(EncoderError::Library { library: "rten", reason });
        }
        let mut bytes = Vec::with_capacity(self.length);
        for piece in self.pieces {
            match piece {
                Piece::Bytes(piece) => bytes.extend(piece),
                Piece::Borrowed(piece) => bytes.extend(piece),
                Piece::Numbers(numbers) => {
                    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                }
            }
        }
        Ok(bytes)
    }

    /// Appends a large array, which is borrowed until the bytes are built.
    fn borrow(&mut self, piece: Piece<'a>) {
        self.length += match &piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Borrowed(bytes) => bytes.len(),
            Piece::Numbers(numbers) => size_of_val(*numbers),
        };
        self.pieces.push(piece);
    }

    /// Appends to the last piece if possible, because a graph has thousands of short fields.
    fn push(&mut self, bytes: Vec<u8>) {
        self.length += bytes.len();
        match self.pieces.last_mut() {
            Some(Piece::Bytes(last)) => last.extend(bytes),
            _ => self.pieces.push(Piece::Bytes(bytes)),
        }
    }
}

fn key(field: u32, wire: Wire) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    varint(&mut bytes, u64::from(field << 3 | wire as u32));
    bytes
}

fn delimited(field: u32, length: usize) -> Vec<u8> {
    let mut bytes = key(field, Wire::Delimited);
    varint(&mut bytes, length as u64);
    bytes
}

/// Seven bits per byte, the lowest first; the top bit says that more follow.
fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The expected values are the examples in the format's own description, and what Python's `onnx` 1.23.2
    /// writes.
    #[test]
    fn bytes_are_those_of_the_format() {
        for (message, expected) in [
            (Message::default().int(1, 150), vec![0x08, 0x96, 0x01]),
            (Message::default().int(1, 0), vec![0x08, 0x00]),
            (
                Message::default().int(1, -2),
                vec![0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ),
            (Message::default().int(20, 1), vec![0xa0, 0x01, 0x01]),
            (Message::default().float(2, 1.0), vec![0x15, 0x00, 0x00, 0x80, 0x3f]),
            (Message::default().bytes(2, b"testing"), b"\x12\x07testing".to_vec()),
            (
                Message::default().message(3, Message::default().int(1, 150)),
                vec![0x1a, 0x03, 0x08, 0x96, 0x01],
            ),
            (Message::default().message(3, Message::default()), vec![0x1a, 0x00]),
        ] {
            assert_eq!(message.into_bytes().unwrap(), expected);
        }
    }

    #[test]
    fn numbers_are_bytes_of_their_own_length() {
        let (first, second) = ([1.0_f32, -2.0], [0.5_f32; 100]);
        let inner = Message::default().int(2, 1).numbers(9, &first).array(8, b"w").numbers(9, &second);
        let bytes = Message::default().bytes(1, b"x").message(5, inner).into_bytes().unwrap();
        let mut expected = vec![0x0a, 1, b'x', 0x2a, 0xa2, 0x03, 0x10, 1, 0x4a, 8];
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0x42, 1, b'w', 0x4a, 0x90, 0x03]);
        expected.extend(second.iter().flat_map(|number| number.to_le_bytes()));
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_message_beyond_two_gigabytes_is_an_error() {
        let numbers = vec![0.0_f32; 1 << 20];
        let mut message = Message::default();
        for _ in 0..512 {
            message = message.numbers(9, &numbers); // borrowed, so 2 GB take 4 MB
        }
        let error = message.into_bytes().unwrap_err();
        assert!(error.to_string().contains("take a smaller encoder"), "{error}");
    }
}

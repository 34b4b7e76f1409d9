//! Arrow's stream of record batches, batch by batch, and its file format, whose footer says where the batches
//! are.
//!
//! Messages are read here, one at a time, and passed to the library's reader uncompressed. This bounds each
//! message by its decoded size, and an unsupported column can be named in the error.

use std::io::{self, Read, Seek, SeekFrom};

use polars_arrow::datatypes::Field;
use polars_arrow::io::ipc::read::{StreamReader, StreamState, read_stream_metadata};
use polars_arrow_format::ipc;
use polars_arrow_format::ipc::planus::{Builder, ReadAsRoot};

use super::schema::{MARK, check_message, footer, wrong};
use super::{Frame, PART, SLICE, Source, convert, said, types};

/// A stream and the current position in it.
pub(super) struct ArrowStream {
    stream: StreamReader<Messages>,
    fields: Vec<Field>,
    /// Rows that are still to be skipped.
    skip: usize,
    /// The rest of a batch that is larger than a slice.
    rest: Option<Frame>,
}

impl ArrowStream {
    /// Opens a stream, or a file by its footer.
    pub(super) fn of_file(source: Box<dyn Source>, done: usize) -> Result<Self, String> {
        Self::new(Messages::of_file(source).map_err(|error| error.to_string())?, done)
    }

    /// Opens a stream that cannot seek. A file can be read this way too if it contains such a stream.
    pub(super) fn of_pipe(source: Box<dyn Read + Send>, done: usize) -> Result<Self, String> {
        let mut messages = Messages::new(Origin::Stream(source));
        messages.begin().map_err(|error| error.to_string())?;
        Self::new(messages, done)
    }

    fn new(mut messages: Messages, done: usize) -> Result<Self, String> {
        let metadata = read_stream_metadata(&mut messages).map_err(said)?;
        let fields: Vec<Field> = metadata.schema.iter_values().cloned().collect();
        fields.iter().map(types::decoded).try_for_each(|field| types::check(&field))?;
        let stream = StreamReader::new(messages, metadata, None);
        Ok(Self { stream, fields, skip: done, rest: None })
    }

    /// The columns, as the stream has them.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The next rows.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            let batch = match self.rest.take() {
                Some(batch) => batch,
                None => match self.batch()? {
                    Some(batch) => batch,
                    None => return Ok(None),
                },
            };
            let height = batch.height();
            if self.skip >= height {
                self.skip -= height;
                continue;
            }
            let start = std::mem::take(&mut self.skip);
            // Slices begin at multiples of their length, so that a resumed run reads the same ones.
            let length = (SLICE - start % SLICE).min(height - start);
            if start + length < height {
                self.rest = Some(batch.slice(start + length, height));
            }
            return Ok(Some(batch.slice(start, length)));
        }
    }

    /// A frame without rows.
    pub(super) fn empty(&self) -> Result<Frame, String> {
        convert::empty(&self.fields)
    }

    /// The next batch that has rows.
    fn batch(&mut self) -> Result<Option<Frame>, String> {
        for state in self.stream.by_ref() {
            match state.map_err(said)? {
                StreamState::Some(batch) if !batch.is_empty() => {
                    let height = batch.len();
                    let columns = self.fields.iter().zip(batch.into_arrays());
                    let columns = columns.map(|(field, array)| {
                        Ok((field.name.to_string(), convert::column(field, vec![array])?))
                    });
                    let columns = columns.collect::<Result<Vec<_>, String>>()?;
                    return Frame::new(height, columns).map(Some);
                }
                StreamState::Some(_) => {}
                // The writer closed the stream without its end mark, which the format allows.
                StreamState::Waiting => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The marker before a message's length.
const CONTINUES: [u8; 4] = [0xff; 4];

/// Where messages come from.
enum Origin {
    /// One after another.
    Stream(Box<dyn Read + Send>),
    /// At these places of a file. The bytes between them are not read, because some writers leave out the
    /// length of the first message.
    File(Box<dyn Source>, std::vec::IntoIter<ipc::Block>),
}

impl Read for Origin {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(source) => source.read(into),
            Self::File(source, _) => source.read(into),
        }
    }
}

/// The messages of a stream as the library's reader expects them: uncompressed, each whole in memory.
struct Messages {
    source: Origin,
    /// Number of bytes passed on.
    at: u64,
    /// A message, and how much of it was passed on.
    ready: Vec<u8>,
    taken: usize,
    end: bool,
}

impl Messages {
    const fn new(source: Origin) -> Self {
        Self { source, at: 0, ready: Vec::new(), taken: 0, end: false }
    }

    /// Reads the schema: of a file from its footer, of a stream from its first message.
    fn of_file(mut source: Box<dyn Source>) -> io::Result<Self> {
        let mut start = Vec::new();
        (&mut source).take(MARK.len() as u64).read_to_end(&mut start)?;
        if start != MARK {
            source.rewind()?;
            let mut messages = Self::new(Origin::Stream(Box::new(source)));
            messages.begin()?;
            return Ok(messages);
        }
        let footer = footer(&mut source)?;
        let mut blocks = footer.dictionaries.unwrap_or_default();
        blocks.extend(footer.record_batches.unwrap_or_default());
        let schema = ipc::Message {
            version: footer.version,
            header: footer.schema.map(ipc::MessageHeader::Schema),
            body_length: 0,
            custom_metadata: None,
        };
        let mut messages = Self::new(Origin::File(source, blocks.into_iter()));
        messages.put(Builder::new().finish(&schema, None), &[]);
        Ok(messages)
    }

    /// Reads a file's magic bytes, if there are any, and the schema.
    fn begin(&mut self) -> io::Result<()> {
        let mut start = [0; 8];
        self.source.read_exact(&mut start)?;
        // Most files are these magic bytes, a stream, and a footer that a sequential reader does not need.
        let head = if start.starts_with(MARK) { None } else { Some(start) };
        let schema = self.header(head).and_then(|message| {
            let message = message.ok_or_else(|| wrong("it has no schema"))?;
            check_message(&message).map(|()| message)
        });
        let of_pipe = |error| match head {
            Some(_) => error,
            None => wrong(format!(
                "{error}; this may be a file that is read from its end, which a pipe does not allow: name the file itself, or \
                 write a stream"
            )),
        };
        self.put(&schema.map_err(of_pipe)?, &[]);
        Ok(())
    }

    /// The next message without its body; `None` at the end. `start` holds its first eight bytes if they were
    /// read already.
    fn header(&mut self, start: Option<[u8; 8]>) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        let mut before = Vec::new();
        if let Some(start) = start {
            before.extend_from_slice(&start);
        }
        let mut source = before.as_slice().chain(&mut self.source);
        if !fill(&mut source, &mut length)? {
            return Ok(None);
        }
        if length == CONTINUES {
            source.read_exact(&mut length)?;
        }
        let length =
            usize::try_from(i32::from_le_bytes(length)).map_err(|_| wrong("a message of no length"))?;
        if length == 0 {
            return Ok(None);
        }
        let mut message = Vec::new();
        source.take(length as u64).read_to_end(&mut message)?;
        if message.len() < length {
            return Err(wrong("it ends within a message"));
        }
        Ok(Some(message))
    }

    /// Prepares the next message; at the end there is none. A batch without rows is skipped, because the
    /// library's reader takes it for a broken one if it has lists.
    fn advance(&mut self) -> io::Result<()> {
        (self.ready, self.taken) = (Vec::new(), 0);
        while self.ready.is_empty() && !self.end {
            self.message()?;
        }
        Ok(())
    }

    fn message(&mut self) -> io::Result<()> {
        if let Origin::File(source, blocks) = &mut self.source {
            let Some(block) = blocks.next() else {
                self.end = true;
                return Ok(());
            };
            let place = u64::try_from(block.offset).map_err(|_| wrong("a batch before the file"))?;
            source.seek(SeekFrom::Start(place))?;
        }
        let Some(header) = self.header(None)? else {
            self.end = true;
            return match self.source {
                Origin::Stream(_) => Ok(()),
                Origin::File(..) => Err(wrong("its footer names a batch that is not there")),
            };
        };
        let mut message: ipc::Message = ipc::MessageRef::read_as_root(&header)
            .and_then(TryInto::try_into)
            .map_err(|error| wrong(error.to_string()))?;
        let length = usize::try_from(message.body_length).map_err(|_| wrong("a body of no length"))?;
        if length > PART {
            return Err(wrong(too_large(length)));
        }
        let mut body = Vec::new();
        (&mut self.source).take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(wrong("it ends within a batch"));
        }
        let batch = match &mut message.header {
            Some(ipc::MessageHeader::RecordBatch(batch)) if batch.length == 0 => return Ok(()),
            Some(ipc::MessageHeader::RecordBatch(batch)) => Some(batch),
            Some(ipc::MessageHeader::DictionaryBatch(batch)) => batch.data.as_mut(),
            _ => None,
        };
        let Some(batch) = batch.filter(|batch| batch.compression.is_some()) else {
            self.put(&header, &body);
            return Ok(());
        };
        let body = decompress(batch, &body)?;
        message.body_length = i64::try_from(body.len()).unwrap_or(i64::MAX);
        let header = Builder::new().finish(&message, None).to_vec();
        self.put(&header, &body);
        Ok(())
    }

    fn put(&mut self, header: &[u8], body: &[u8]) {
        let padded = header.len().next_multiple_of(8);
        self.ready = Vec::with_capacity(8 + padded + body.len());
        self.ready.extend_from_slice(&CONTINUES);
        // A header that was read has a length that fits `i32`.
        self.ready.extend_from_slice(&i32::try_from(padded).unwrap_or(i32::MAX).to_le_bytes());
        self.ready.extend_from_slice(header);
        self.ready.resize(8 + padded, 0);
        self.ready.extend_from_slice(body);
        self.taken = 0;
    }
}

/// Fills a buffer; returns false if nothing is left.
fn fill(source: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    let mut first = [0];
    loop {
        match source.read(&mut first) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    into[0] = first[0];
    source.read_exact(&mut into[1..]).map(|()| true)
}

fn too_large(length: usize) -> String {
    format!("a batch of {length} bytes is larger than the limit of {PART}; write smaller batches")
}

/// Decompresses a batch: each of its buffers is compressed separately, after its length.
fn decompress(batch: &mut ipc::RecordBatch, body: &[u8]) -> io::Result<Vec<u8>> {
    let Some(compression) = batch.compression.take() else { return Ok(body.to_vec()) };
    let mut out = Vec::new();
    for buffer in batch.buffers.iter_mut().flatten() {
        let start = usize::try_from(buffer.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(buffer.length).unwrap_or(usize::MAX));
        let packed = body.get(start..end).ok_or_else(|| wrong("a buffer outside of its batch"))?;
        let from = out.len();
        if let Some((length, packed)) = packed.split_first_chunk::<8>() {
            unpack(i64::from_le_bytes(*length), packed, compression.codec, &mut out)?;
        }
        let length = out.len() - from;
        // Offsets are multiples of eight.
        out.resize(out.len().next_multiple_of(8), 0);
        buffer.offset = i64::try_from(from).unwrap_or(i64::MAX);
        buffer.length = i64::try_from(length).unwrap_or(i64::MAX);
    }
    Ok(out)
}

/// Decompresses one buffer to the length stored before it; a length of -1 means that it is uncompressed.
fn unpack(length: i64, packed: &[u8], codec: ipc::CompressionType, out: &mut Vec<u8>) -> io::Result<()> {
    if length == -1 {
        out.extend_from_slice(packed);
        return Ok(());
    }
    let length = usize::try_from(length).map_err(|_| wrong("a buffer of no length"))?;
    if out.len().saturating_add(length) > PART {
        return Err(wrong(too_large(out.len().saturating_add(length))));
    }
    let before = out.len();
    let limit = length as u64;
    match codec {
        ipc::CompressionType::Lz4Frame => lz4::Decoder::new(packed)?.take(limit).read_to_end(out)?,
        ipc::CompressionType::Zstd => {
            zstd::stream::read::Decoder::with_buffer(packed)?.take(limit).read_to_end(out)?
        }
    };
    if out.len() - before == length { Ok(()) } else { Err(wrong("a buffer ends before its length")) }
}

impl Read for Messages {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.ready.len() && !self.end {
            self.advance()?;
        }
        let left = &self.ready[self.taken..];
        let count = into.len().min(left.len());
        into[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        self.at += count as u64;
        Ok(count)
    }
}

/// The stream reader only seeks forward, over the padding of a message, and asks for the position.
impl Seek for Messages {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Current(by @ 0..) => {
                io::copy(&mut self.by_ref().take(by.unsigned_abs()), &mut io::sink())?;
                Ok(self.at)
            }
            _ => Err(io::Error::other("a stream cannot be read backwards")),
        }
    }
}

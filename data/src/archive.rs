//! Inspect's `.eval`: a zip archive with a JSON file for each sample, read as JSON Lines.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

/// The first bytes of a zip archive.
pub(crate) const ZIP: [u8; 4] = *b"PK\x03\x04";

/// The signatures of the archive's last record and of an entry in its directory.
const END: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";

/// The largest file of an archive, and the largest directory.
const MOST_BYTES: u64 = 1 << 28;

/// A file of an archive.
struct Entry {
    name: String,
    method: u16,
    packed: u64,
    at: u64,
}

/// The samples of an archive, one a line.
pub(crate) struct Samples<R> {
    source: R,
    entries: std::vec::IntoIter<Entry>,
    line: Vec<u8>,
    done: usize,
}

impl<R: Read + Seek> Samples<R> {
    /// Opens an archive.
    ///
    /// # Errors
    /// If it is damaged, or holds no samples.
    pub(crate) fn open(mut source: R) -> io::Result<Self> {
        let mut entries = directory(&mut source)?;
        entries.retain(|entry| entry.name.starts_with("samples/") && entry.name.ends_with(".json"));
        if entries.is_empty() {
            let reason = "it is a zip archive without an Inspect log's samples (samples/*.json); unpack it, or export \
                          it as CSV or JSON Lines";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(Self { source, entries: entries.into_iter(), line: Vec::new(), done: 0 })
    }

    /// A sample as one line.
    fn line(&mut self, entry: &Entry) -> io::Result<Vec<u8>> {
        self.source.seek(SeekFrom::Start(entry.at))?;
        let mut head = [0; 30];
        self.source.read_exact(&mut head)?;
        if head[..4] != ZIP {
            return Err(damaged());
        }
        let skipped = u64::from(two(&head, 26)) + u64::from(two(&head, 28));
        self.source.seek(SeekFrom::Start(entry.at + 30 + skipped))?;
        let packed = self.source.by_ref().take(entry.packed);
        let mut text = Vec::new();
        let limit = MOST_BYTES + 1;
        match entry.method {
            0 => packed.take(limit).read_to_end(&mut text)?,
            8 => DeflateDecoder::new(packed).take(limit).read_to_end(&mut text)?,
            93 => zstd::stream::read::Decoder::new(packed)?.take(limit).read_to_end(&mut text)?,
            other => {
                let reason =
                    format!("`{}` in it is compressed by method {other}, which is not read", entry.name);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        };
        if text.len() as u64 > MOST_BYTES {
            let reason = format!("`{}` in it is longer than {MOST_BYTES} bytes", entry.name);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        // In JSON a raw line end is always white space, because strings must escape it.
        text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        text.push(b'\n');
        Ok(text)
    }
}

impl<R: Read + Seek> Read for Samples<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.done == self.line.len() {
            let Some(entry) = self.entries.next() else { return Ok(0) };
            self.line = self.line(&entry)?;
            self.done = 0;
        }
        let count = into.len().min(self.line.len() - self.done);
        into[..count].copy_from_slice(&self.line[self.done..self.done + count]);
        self.done += count;
        Ok(count)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is a zip archive that is cut short or damaged")
}

/// The files of an archive, by the directory at its end.
fn directory<R: Read + Seek>(source: &mut R) -> io::Result<Vec<Entry>> {
    let size = source.seek(SeekFrom::End(0))?;
    // The last record is 22 bytes long and may be followed by a comment of at most 64 kB.
    let tail_at = size.saturating_sub(22 + (1 << 16));
    source.seek(SeekFrom::Start(tail_at))?;
    let mut tail = Vec::new();
    source.take(1 << 17).read_to_end(&mut tail)?;
    let end = tail.windows(4).rposition(|window| window == END).ok_or_else(damaged)?;
    let end = tail.get(end..end + 22).ok_or_else(damaged)?;
    let (length, at) = (u64::from(four(end, 12)), u64::from(four(end, 16)));
    if length > MOST_BYTES || at.saturating_add(length) > size {
        return Err(damaged());
    }
    source.seek(SeekFrom::Start(at))?;
    let mut listed = Vec::new();
    source.take(length).read_to_end(&mut listed)?;
    let (mut entries, mut rest) = (Vec::new(), listed.as_slice());
    while rest.len() >= 46 && rest[..4] == ENTRY {
        let (name, extra, comment) =
            (usize::from(two(rest, 28)), usize::from(two(rest, 30)), usize::from(two(rest, 32)));
        let text = rest.get(46..46 + name).ok_or_else(damaged)?;
        entries.push(Entry {
            name: String::from_utf8_lossy(text).into_owned(),
            method: two(rest, 10),
            packed: u64::from(four(rest, 20)),
            at: u64::from(four(rest, 42)),
        });
        rest = rest.get(46 + name + extra + comment..).ok_or_else(damaged)?;
    }
    Ok(entries)
}

fn two(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
pub(crate) mod tests {
    use std::io::{Cursor, Read, Write};

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::Samples;

    /// An archive with these files, the first stored as it is, the others deflated.
    pub(crate) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let (mut out, mut listed) = (Vec::new(), Vec::new());
        for (n, (name, text)) in files.iter().enumerate() {
            let packed = if n == 0 {
                text.as_bytes().to_vec()
            } else {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text.as_bytes()).unwrap();
                encoder.finish().unwrap()
            };
            let method: u16 = if n == 0 { 0 } else { 8 };
            let fields = |listed: bool, at: usize| {
                let mut head = Vec::new();
                head.extend(if listed { b"PK\x01\x02\x14\0\x14\0".as_slice() } else { b"PK\x03\x04\x14\0" });
                head.extend([0, 0]);
                head.extend(method.to_le_bytes());
                head.extend([0; 8]);
                head.extend((packed.len() as u32).to_le_bytes());
                head.extend((text.len() as u32).to_le_bytes());
                head.extend((name.len() as u16).to_le_bytes());
                head.extend([0, 0]);
                if listed {
                    head.extend([0; 10]);
                    head.extend((at as u32).to_le_bytes());
                }
                head.extend(name.as_bytes());
                head
            };
            let at = out.len();
            out.extend(fields(false, at));
            out.extend(&packed);
            listed.extend(fields(true, at));
        }
        let at = out.len() as u32;
        out.extend(&listed);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend((files.len() as u16).to_le_bytes());
        out.extend((files.len() as u16).to_le_bytes());
        out.extend((listed.len() as u32).to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    fn lines(bytes: Vec<u8>) -> Result<String, String> {
        let mut text = String::new();
        let samples = Samples::open(Cursor::new(bytes));
        let mut samples = samples.map_err(|error| error.to_string())?;
        samples.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn the_samples_of_an_archive_are_lines() {
        let files = [
            ("header.json", "{}"),
            ("samples/1_epoch_1.json", "{\n \"id\": 1\n}"),
            ("samples/2_epoch_1.json", "{\"id\": 2}"),
        ];
        assert_eq!(lines(zip(&files)).unwrap(), "{  \"id\": 1 }\n{\"id\": 2}\n");
    }

    #[test]
    fn other_archives_and_damaged_ones_are_named() {
        let other = lines(zip(&[("sheet.xml", "<a/>")])).unwrap_err();
        assert!(other.contains("without an Inspect log's samples"), "{other}");
        let whole = zip(&[("samples/1.json", "{}"), ("samples/2.json", "{\"id\": 2}")]);
        for cut in [10, whole.len() / 2, whole.len() - 10] {
            assert!(lines(whole[..cut].to_vec()).unwrap_err().contains("damaged"), "{cut}");
        }
    }
}

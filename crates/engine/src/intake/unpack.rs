//! Through the layers of packing, recognised by their first bytes, to the documents. Nothing is written under a name that
//! an archive states.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::gather::{Origin, PlannedFile};
use super::limits::{Budget, Counted, Exact, Limits, Metered, Watched};
use super::{SourcePath, What};
use crate::progress::Progress;
use crate::quarantine::{Cause, Quarantined};

/// A tar header is one block; every other magic number lies within.
const SNIFF_BYTES: usize = 512;
/// Largest long name or extended header of a tar entry. The reader would otherwise take any size into memory.
const MAX_TAR_META_BYTES: u64 = 64 << 10;
/// An archive within an archive that has to be sought in goes to an unnamed temporary file beyond this size.
const SPOOL_BYTES: usize = 8 << 20;

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Tar,
    Zip,
    Unsupported(&'static str),
    Plain,
}

fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1f, 0x8b, 0x08, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Packing::Zip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Unsupported("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => {
            Packing::Unsupported("bzip2")
        }
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Packing::Unsupported("7z"),
        _ if is_tar(head) => Packing::Tar,
        _ => Packing::Plain,
    }
}

/// A tar block is recognised by its checksum, which also holds for archives from before `ustar`.
fn is_tar(head: &[u8]) -> bool {
    let (Some(block), Some(field)) = (head.get(..SNIFF_BYTES), head.get(148..156)) else { return false };
    let digits: String = field
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|c| *c == ' ')
        .take_while(char::is_ascii_digit)
        .collect();
    let Ok(stated) = u32::from_str_radix(&digits, 8) else { return false };
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    block.first().is_some_and(|byte| *byte != 0) && sum == stated
}

/// Why a layer could not be read to its end.
struct Failure {
    path: SourcePath,
    reason: String,
    /// The cause goes up through every layer: nothing further in the file can be read.
    cut: bool,
}

impl Failure {
    fn new(path: &SourcePath, reason: impl Into<String>) -> Self {
        Self { path: path.clone(), reason: reason.into(), cut: false }
    }

    fn report(self) -> What {
        let reason = if self.cut {
            format!("{}; it and what follows in {} were not read", self.reason, self.path.file)
        } else {
            self.reason
        };
        What::Bad(Quarantined::whole(self.path.to_string(), Cause::Unpacking, reason))
    }
}

/// Unpacks one file and emits what it holds, in order.
pub(super) fn unpack_file(
    file: &PlannedFile,
    limits: &Limits,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(What),
) {
    let path = SourcePath::file(&file.label);
    let mut unpacker = Unpacker { limits, budget: Budget::new(*limits), emit };
    let done = match &file.origin {
        Origin::File(on_disk) => match File::open(on_disk) {
            Ok(mut open) => {
                let seekable = open.stream_position().is_ok();
                let mut stream = Shown { inner: open, progress };
                if seekable {
                    unpacker.seekable(&path, &mut stream)
                } else {
                    unpacker.layer(&path, &mut stream, 0)
                }
            }
            Err(error) => {
                (unpacker.emit)(What::Unreadable { file: file.label.clone(), reason: error.to_string() });
                return;
            }
        },
        Origin::Stdin => unpacker.layer(&path, &mut Shown { inner: io::stdin().lock(), progress }, 0),
        Origin::Upload(bytes) => unpacker.seekable(&path, &mut Shown { inner: Cursor::new(bytes), progress }),
    };
    if let Err(failure) = done {
        (unpacker.emit)(failure.report());
    }
}

/// Tells the progress how much was read.
struct Shown<'p, R> {
    inner: R,
    progress: &'p dyn Progress,
}

impl<R: Read> Read for Shown<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.progress.on_bytes(read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Shown<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

struct Unpacker<'a> {
    limits: &'a Limits,
    budget: Rc<Budget>,
    emit: &'a mut dyn FnMut(What),
}

impl Unpacker<'_> {
    /// The outermost layer where the file can be sought in: a zip archive then needs no copy.
    fn seekable<R: Read + Seek>(&mut self, path: &SourcePath, file: &mut R) -> Result<(), Failure> {
        let mut head = Vec::new();
        let sniffed = file.take(4).read_to_end(&mut head).and_then(|_| file.rewind());
        sniffed.map_err(|error| self.failure(path, &error))?;
        if packing(&head) == Packing::Zip { self.zip(path, file, 0) } else { self.layer(path, file, 0) }
    }

    fn layer(&mut self, path: &SourcePath, reader: &mut dyn Read, depth: usize) -> Result<(), Failure> {
        let mut head = Vec::with_capacity(SNIFF_BYTES);
        let sniffed = reader.take(SNIFF_BYTES as u64).read_to_end(&mut head);
        sniffed.map_err(|error| self.failure(path, &error))?;
        let kind = packing(&head);
        let mut whole = Cursor::new(head).chain(reader);
        if !matches!(kind, Packing::Plain | Packing::Unsupported(_)) && depth >= self.limits.max_layers {
            return Err(Failure::new(
                path,
                format!(
                    "it is packed in more than {} layers; unpack the outer ones first",
                    self.limits.max_layers
                ),
            ));
        }
        match kind {
            Packing::Plain => self.document(path, &mut whole),
            Packing::Unsupported(name) => Err(Failure::new(
                path,
                format!("{name} is not supported; unpack it, or use gzip, zstd, tar or zip"),
            )),
            Packing::Gzip => {
                self.packed(path, whole, depth, |input| Ok(flate2::read::MultiGzDecoder::new(input)))
            }
            Packing::Zstd => self.packed(path, whole, depth, zstd::stream::read::Decoder::new),
            Packing::Tar => self.tar(path, &mut whole, depth),
            Packing::Zip => {
                let mut spool = tempfile::SpooledTempFile::new(SPOOL_BYTES);
                let mut bounded = whole.take(self.limits.max_unpacked_bytes);
                let copied = io::copy(&mut bounded, &mut spool).and_then(|_| spool.rewind());
                copied.map_err(|error| self.failure(path, &error))?;
                self.zip(path, &mut spool, depth)
            }
        }
    }

    fn packed<'r, R: Read + 'r, D: Read>(
        &mut self,
        path: &SourcePath,
        reader: R,
        depth: usize,
        decoder: impl FnOnce(Counted<R>) -> io::Result<D>,
    ) -> Result<(), Failure> {
        let count = Rc::new(Cell::new(0));
        let input = Counted { inner: reader, count: Rc::clone(&count) };
        let decoded = decoder(input).map_err(|error| self.failure(path, &error))?;
        let mut metered = Metered::new(decoded, count, Rc::default(), Rc::clone(&self.budget));
        self.layer(path, &mut metered, depth + 1)
    }

    fn document(&mut self, path: &SourcePath, reader: &mut dyn Read) -> Result<(), Failure> {
        let limit = self.limits.max_document_bytes;
        let mut bytes = Vec::new();
        let read = reader.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.failure(path, &error))?;
        if bytes.len() as u64 > limit {
            return Err(Failure::new(
                path,
                format!("the document has more than {limit} bytes, which is the limit"),
            ));
        }
        (self.emit)(What::Document { source: path.clone(), bytes });
        Ok(())
    }

    fn tar(&mut self, path: &SourcePath, reader: &mut dyn Read, depth: usize) -> Result<(), Failure> {
        let failed = Rc::new(Cell::new(false));
        let mut archive = tar::Archive::new(Watched { inner: reader, failed: Rc::clone(&failed) });
        // Raw: the reader would take long names of any size into memory, and expand sparse files.
        let entries = archive.entries().map_err(|error| self.failure(path, &error))?.raw(true);
        let mut long_name = None;
        for entry in entries {
            let cut = |failure: Failure| Failure { cut: true, ..failure };
            let mut entry = entry.map_err(|error| cut(self.failure(path, &error)))?;
            self.budget.enter().map_err(|error| cut(self.failure(path, &error)))?;
            match self.tar_entry(path, &mut entry, &mut long_name, &failed, depth) {
                Ok(()) => {}
                Err(failure) if failed.get() || self.budget.breach().is_some() => return Err(cut(failure)),
                Err(failure) => (self.emit)(failure.report()),
            }
        }
        Ok(())
    }

    fn tar_entry<R: Read>(
        &mut self,
        path: &SourcePath,
        entry: &mut tar::Entry<'_, R>,
        long_name: &mut Option<String>,
        failed: &Rc<Cell<bool>>,
        depth: usize,
    ) -> Result<(), Failure> {
        let kind = entry.header().entry_type();
        let size = entry.header().entry_size().map_err(|error| self.failure(path, &error))?;
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            if size > MAX_TAR_META_BYTES {
                return Err(Failure::new(path, format!("an entry's extended header has {size} bytes")));
            }
            let mut meta = Vec::new();
            entry.read_to_end(&mut meta).map_err(|error| self.failure(path, &error))?;
            if let Some(name) = if kind.is_gnu_longname() { gnu_name(&meta) } else { pax_path(&meta) } {
                *long_name = Some(name);
            }
            return Ok(());
        }
        if kind.is_pax_global_extensions() || kind.is_gnu_longlink() || kind.is_dir() {
            return Ok(());
        }
        let stated = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let inner = path.entry(&long_name.take().unwrap_or(stated));
        if !kind.is_file() && !kind.is_contiguous() {
            let reason = "a link, a sparse file or a device in an archive is not read".to_owned();
            (self.emit)(What::Ignored { source: inner, reason });
            return Ok(());
        }
        let mut exact = Exact { inner: entry, left: size, failed: Rc::clone(failed) };
        self.layer(&inner, &mut exact, depth + 1)
    }

    fn zip<R: Read + Seek>(&mut self, path: &SourcePath, file: &mut R, depth: usize) -> Result<(), Failure> {
        let length = file.seek(SeekFrom::End(0)).and_then(|length| file.rewind().map(|()| length));
        let length = Rc::new(Cell::new(length.map_err(|error| self.failure(path, &error))?));
        let mut archive = zip::ZipArchive::new(file)
            .map_err(|error| Failure::new(path, format!("not a readable zip archive: {error}")))?;
        let out = Rc::default();
        for at in 0..archive.len() {
            self.budget.enter().map_err(|error| Failure { cut: true, ..self.failure(path, &error) })?;
            match self.zip_entry(path, &mut archive, at, &length, &out, depth) {
                Ok(()) => {}
                Err(failure) if self.budget.breach().is_some() => {
                    return Err(Failure { cut: true, ..failure });
                }
                Err(failure) => (self.emit)(failure.report()),
            }
        }
        Ok(())
    }

    /// The ratio is that of the whole archive (`length` to `out`): entries of a zip bomb share the same packed bytes.
    fn zip_entry<R: Read + Seek>(
        &mut self,
        path: &SourcePath,
        archive: &mut zip::ZipArchive<R>,
        at: usize,
        length: &Rc<Cell<u64>>,
        out: &Rc<Cell<u64>>,
        depth: usize,
    ) -> Result<(), Failure> {
        let listed =
            archive.by_index_raw(at).ok().and_then(|entry| entry.name().ok().map(|name| name.into_owned()));
        let inner = path.entry(&listed.unwrap_or_else(|| format!("entry {at}")));
        let entry = archive.by_index(at).map_err(|error| Failure::new(&inner, error.to_string()))?;
        if entry.is_dir() {
            return Ok(());
        }
        if !entry.is_file() {
            let reason = "a link, a sparse file or a device in an archive is not read".to_owned();
            (self.emit)(What::Ignored { source: inner, reason });
            return Ok(());
        }
        let mut metered = Metered::new(entry, Rc::clone(length), Rc::clone(out), Rc::clone(&self.budget));
        self.layer(&inner, &mut metered, depth + 1)
    }

    /// The limit that was passed comes first: to the layers above it looks like an error of reading.
    fn failure(&self, path: &SourcePath, error: &io::Error) -> Failure {
        let reason = match self.budget.breach() {
            Some(breach) => breach,
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the packed data ends early; fetch the file again".to_owned()
            }
            None => format!("cannot be read: {error}"),
        };
        Failure::new(path, reason)
    }
}

fn gnu_name(meta: &[u8]) -> Option<String> {
    let name = meta.split(|byte| *byte == 0).next().unwrap_or_default();
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

fn pax_path(meta: &[u8]) -> Option<String> {
    let mut records = tar::PaxExtensions::new(meta).flatten();
    records
        .find(|record| record.key_bytes() == b"path")
        .map(|r| String::from_utf8_lossy(r.value_bytes()).into_owned())
}

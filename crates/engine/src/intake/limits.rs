//! What may be unpacked: an archive is input from outside, and its sizes are claims.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

/// Bounds on what is read. Whatever passes one is quarantined with the bound in the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest single document, in bytes.
    pub max_document_bytes: u64,
    /// Most bytes that one file may unpack to, all layers together.
    pub max_unpacked_bytes: u64,
    /// Most bytes that one compressed byte may become, on average over a layer. Archives of advisories stay
    /// below 20; zeros deflated in haste reach 230, with care 1,000.
    pub max_ratio: u64,
    /// The ratio is not judged before so many bytes came out: a short repetitive table is harmless.
    pub ratio_floor_bytes: u64,
    /// Most entries of the archives in one file together.
    pub max_entries: u64,
    /// Most layers of packing around a document; a `.tar.gz` has two.
    pub max_layers: usize,
    /// Documents are handed to the parsers in batches of at least this size (the last one excepted), in bytes.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_document_bytes: 512 << 20,
            max_unpacked_bytes: 16 << 30,
            max_ratio: 200,
            ratio_floor_bytes: 16 << 20,
            max_entries: 2_000_000,
            max_layers: 6,
            batch_bytes: 8 << 20,
        }
    }
}

/// What one file has used of its limits. Once a limit is passed nothing more of that file is unpacked.
pub(super) struct Budget {
    limits: Limits,
    unpacked: Cell<u64>,
    entries: Cell<u64>,
    breach: RefCell<Option<String>>,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self { limits, unpacked: Cell::new(0), entries: Cell::new(0), breach: RefCell::new(None) })
    }

    /// The limit that was passed, if one was.
    pub(super) fn breach(&self) -> Option<String> {
        self.breach.borrow().clone()
    }

    fn break_with(&self, reason: String) -> io::Error {
        let error = io::Error::other(reason.clone());
        self.breach.borrow_mut().get_or_insert(reason);
        error
    }

    /// Counts an entry of an archive.
    pub(super) fn enter(&self) -> io::Result<()> {
        self.entries.set(self.entries.get() + 1);
        if self.entries.get() > self.limits.max_entries {
            return Err(self.break_with(format!(
                "it has more than {} entries, which is the limit; split the archive",
                self.limits.max_entries
            )));
        }
        Ok(())
    }

    fn unpacked(&self, bytes: u64, layer_in: u64, layer_out: u64) -> io::Result<()> {
        self.unpacked.set(self.unpacked.get() + bytes);
        if self.unpacked.get() > self.limits.max_unpacked_bytes {
            return Err(self.break_with(format!(
                "it unpacks to more than {} bytes, which is the limit; split the archive",
                self.limits.max_unpacked_bytes
            )));
        }
        let allowed = layer_in.saturating_mul(self.limits.max_ratio).max(self.limits.ratio_floor_bytes);
        if layer_out > allowed {
            return Err(self.break_with(format!(
                "{layer_in} packed bytes became {layer_out}: more than {} to one looks like a decompression bomb",
                self.limits.max_ratio
            )));
        }
        Ok(())
    }
}

/// Counts what is read through it.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// The output of a decompressor, held to the limits. Its first error stays: some decoders report an end of file after one.
pub(super) struct Metered<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    out: Rc<Cell<u64>>,
    budget: Rc<Budget>,
    failed: Option<(io::ErrorKind, String)>,
}

impl<R: Read> Metered<R> {
    /// `packed` counts the compressed bytes that went in, `out` those that came out of the same layer so far.
    pub(super) fn new(inner: R, packed: Rc<Cell<u64>>, out: Rc<Cell<u64>>, budget: Rc<Budget>) -> Self {
        Self { inner, packed, out, budget, failed: None }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(breach) = self.budget.breach() {
            return Err(io::Error::other(breach));
        }
        if let Some((kind, reason)) = &self.failed {
            return Err(io::Error::new(*kind, reason.clone()));
        }
        match self.inner.read(buf) {
            Ok(read) => {
                self.out.set(self.out.get() + read as u64);
                self.budget.unpacked(read as u64, self.packed.get(), self.out.get())?;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some((error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}

/// Remembers that reading failed, for the archive that has to decide whether its next entry can still be reached.
pub(super) struct Watched<R> {
    pub(super) inner: R,
    pub(super) failed: Rc<Cell<bool>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buf);
        if result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            self.failed.set(true);
        }
        result
    }
}

/// An entry that must have the size that its header states: a shorter one was cut off, and a table cut off between two
/// lines would otherwise pass for a whole one.
pub(super) struct Exact<R> {
    pub(super) inner: R,
    pub(super) left: u64,
    pub(super) failed: Rc<Cell<bool>>,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && self.left > 0 && !buf.is_empty() {
            self.failed.set(true);
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}

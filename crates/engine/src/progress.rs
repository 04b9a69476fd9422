//! How far a long task has come, for whoever shows it.

/// Hears of the advance of a task. The calls come from several threads, in no fixed order between start and finish.
pub trait Progress: Send + Sync {
    /// The task begins. `bytes` and `items` are what lies ahead, where that is known.
    fn on_start(&self, bytes: Option<u64>, items: Option<u64>);
    /// So many more bytes were read (as stored or sent: before unpacking).
    fn on_bytes(&self, bytes: u64);
    /// One item (a file, a document of a provider) is done, well or badly.
    fn on_item(&self, name: &str);
    /// The task is over.
    fn on_finish(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn on_start(&self, _bytes: Option<u64>, _items: Option<u64>) {}
    fn on_bytes(&self, _bytes: u64) {}
    fn on_item(&self, _name: &str) {}
    fn on_finish(&self) {}
}

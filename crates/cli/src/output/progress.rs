//! A progress bar on stderr, only where a person looks at it.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use underpin_engine::progress::Progress;

/// Shows a task's advance on a terminal; silent in a pipe.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar with a heading.
    pub(crate) fn new(heading: &'static str) -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {bytes}/{total_bytes} {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(heading);
        Self { bar }
    }
}

impl Progress for Bar {
    fn on_start(&self, bytes: Option<u64>, _items: Option<u64>) {
        if let Some(bytes) = bytes {
            self.bar.set_length(bytes);
        }
    }

    fn on_bytes(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn on_item(&self, name: &str) {
        self.bar.set_message(super::harmless(name));
    }

    fn on_finish(&self) {
        self.bar.finish_and_clear();
    }
}

//! A list whose copies share what they have in common, so that keeping the state of every command is cheap.

use std::sync::Arc;

/// Items of one shared piece: copying one item on write copies at most so many.
const PIECE: usize = 64;

/// A list that can be copied at the cost of one counter per [`PIECE`] items; a change copies the piece that it touches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunks<T> {
    pieces: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, item: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => Arc::make_mut(last).push(item),
            _ => self.pieces.push(Arc::new(vec![item])),
        }
        self.len += 1;
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.pieces.get_mut(at / PIECE)?).get_mut(at % PIECE)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_all_but_what_was_changed() {
        let mut first: Chunks<usize> = Chunks::default();
        (0..1000).for_each(|it| first.push(it));
        let second = first.clone();
        *first.get_mut(500).unwrap() = 7;
        assert_eq!((first.get(500), second.get(500)), (Some(&7), Some(&500)));
        let shared = first.pieces.iter().zip(&second.pieces).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, first.pieces.len() - 1);
        assert_eq!((first.len(), first.iter().count(), first.get(1000)), (1000, 1000, None));
    }
}

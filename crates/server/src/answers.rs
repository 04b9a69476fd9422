//! Answers that take long to work out: each once for a state of the facts, one after the other, on threads that may
//! block.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::problem::Problem;

/// The same value, not an equal one: uploads replace what is shared as a whole.
#[derive(Debug)]
pub(crate) struct Same<T>(pub(crate) Arc<T>);

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

type Place<V> = Arc<OnceCell<Result<Arc<V>, Problem>>>;

/// The state, and what was asked in it, the oldest first.
type Known<S, Q, V> = (Option<S>, VecDeque<(Q, Place<V>)>);

/// Answers `V` to questions `Q` that were asked in a state `S`; those of another state are forgotten.
pub(crate) struct Answers<S, Q, V> {
    known: Mutex<Known<S, Q, V>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl<S, Q, V> Default for Answers<S, Q, V> {
    fn default() -> Self {
        Self { known: Mutex::new((None, VecDeque::new())), turn: Arc::default() }
    }
}

/// Answers that are kept: whoever asks for ever new ones must not fill the memory.
const KEPT: usize = 32;

impl<S: PartialEq, Q: PartialEq, V: Send + Sync + 'static> Answers<S, Q, V> {
    fn place(&self, state: S, question: Q) -> Place<V> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, places) = &mut *known;
        if of.as_ref() != Some(&state) {
            places.clear();
            *of = Some(state);
        }
        if let Some((_, place)) = places.iter().find(|(it, _)| *it == question) {
            return Arc::clone(place);
        }
        let place = Place::default();
        places.push_back((question, Arc::clone(&place)));
        if places.len() > KEPT {
            places.pop_front();
        }
        place
    }

    /// The answer that is known, or the one that `work` gives. The work goes on when those who asked have gone, so that
    /// the next one finds it done.
    pub(crate) async fn get(
        &self,
        state: S,
        question: Q,
        work: impl FnOnce() -> Result<V, Problem> + Send + 'static,
    ) -> Result<Arc<V>, Problem> {
        let place = self.place(state, question);
        if let Some(done) = place.get() {
            return done.clone();
        }
        let turn = Arc::clone(&self.turn);
        let filled = tokio::spawn(async move {
            let fill = async {
                let _turn = turn.lock().await;
                tokio::task::spawn_blocking(work).await?.map(Arc::new)
            };
            place.get_or_init(|| fill).await.clone()
        });
        filled.await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::problem::Code;

    #[tokio::test]
    async fn an_answer_is_worked_out_once_for_a_state() {
        let answers = Answers::<u8, u32, u32>::default();
        let worked = Arc::new(AtomicUsize::new(0));
        let ask = |state, question: u32| {
            let worked = Arc::clone(&worked);
            answers.get(state, question, move || {
                worked.fetch_add(1, Ordering::Relaxed);
                if question == 7 { Err(Code::BadQuery.with("seven")) } else { Ok(question * 2) }
            })
        };
        let (one, same) = tokio::join!(ask(0, 4), ask(0, 4));
        assert_eq!((*one.unwrap(), *same.unwrap(), worked.load(Ordering::Relaxed)), (8, 8, 1));
        assert_eq!(ask(0, 7).await.unwrap_err().detail, "seven");
        ask(0, 7).await.unwrap_err();
        assert_eq!(worked.load(Ordering::Relaxed), 2, "an error is an answer too");
        ask(1, 4).await.unwrap();
        assert_eq!(worked.load(Ordering::Relaxed), 3, "another state, another answer");
        for question in 100..100 + KEPT as u32 {
            ask(1, question).await.unwrap();
        }
        assert_eq!(answers.known.lock().unwrap().1.len(), KEPT);
        ask(1, 4).await.unwrap();
        assert_eq!(worked.load(Ordering::Relaxed), 4 + KEPT, "what is pushed out is worked out again");
    }
}

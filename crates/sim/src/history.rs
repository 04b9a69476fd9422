//! The tree of states: every command that changes something adds one, and none is lost by going back.

use std::collections::BTreeMap;

use crate::datacentre::Datacentre;

/// Most states that are kept: the oldest that nothing needs are dropped beyond it.
const MOST_STATES: usize = 10_000;

#[derive(Debug, Clone)]
struct State {
    parent: Option<usize>,
    command: String,
    datacentre: Datacentre,
}

/// States by number; each knows the one that it came from.
#[derive(Debug, Clone)]
pub struct History {
    states: BTreeMap<usize, State>,
    next: usize,
    at: usize,
    names: BTreeMap<String, usize>,
}

impl History {
    /// A tree of one state.
    #[must_use]
    pub fn new(datacentre: Datacentre) -> Self {
        let first = State { parent: None, command: "start".to_owned(), datacentre };
        Self { states: BTreeMap::from([(0, first)]), next: 1, at: 0, names: BTreeMap::new() }
    }

    /// The number of the current state.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Adds a state that follows the current one, and goes there.
    pub fn push(&mut self, command: &str, datacentre: Datacentre) {
        let state = State { parent: Some(self.at), command: command.to_owned(), datacentre };
        self.states.insert(self.next, state);
        self.at = self.next;
        self.next += 1;
        if self.states.len() > MOST_STATES
            && let Some(oldest) =
                self.states.keys().copied().find(|it| !self.names.values().any(|kept| kept == it))
        {
            self.states.remove(&oldest);
        }
    }

    /// Goes back by so many states. `None`: there are not so many, and nothing changed.
    pub fn undo(&mut self, steps: usize) -> Option<&Datacentre> {
        let mut at = self.at;
        for _ in 0..steps {
            at = self.states.get(&at)?.parent.filter(|it| self.states.contains_key(it))?;
        }
        self.at = at;
        self.states.get(&at).map(|it| &it.datacentre)
    }

    /// Gives the current state a name.
    pub fn save(&mut self, name: &str) {
        self.names.insert(name.to_owned(), self.at);
    }

    /// Goes to a named state: what follows is a branch of its own. `None`: there is no such name.
    pub fn branch(&mut self, name: &str) -> Option<&Datacentre> {
        let at = *self.names.get(name)?;
        let state = self.states.get(&at)?;
        self.at = at;
        Some(&state.datacentre)
    }

    /// The state before the current one.
    #[must_use]
    pub fn before(&self) -> Option<&Datacentre> {
        let parent = self.states.get(&self.at)?.parent?;
        self.states.get(&parent).map(|it| &it.datacentre)
    }

    /// A named state.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Datacentre> {
        self.states.get(self.names.get(name)?).map(|it| &it.datacentre)
    }

    /// Names with the numbers of their states.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().map(|(name, at)| (name.as_str(), *at))
    }

    /// States with their parents and the commands that made them.
    pub fn states(&self) -> impl Iterator<Item = (usize, Option<usize>, &str)> {
        self.states.iter().map(|(at, state)| (*at, state.parent, state.command.as_str()))
    }
}

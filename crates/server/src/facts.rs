//! The facts of the current feeds as the core reads them, made when they are first asked for.

use std::sync::Arc;

use underpin_exposure::{FactBase, Feed};
use underpin_model::id::FeedId;
use underpin_model::policy::Policy;

use crate::analyst::FeedFacts;
use crate::answers::{Answers, Same};
use crate::problem::Problem;
use crate::state::App;

/// The facts of these feeds.
pub(crate) type KnownFacts = Answers<Same<Vec<FeedFacts>>, (), FactBase>;

/// The policy in force.
pub(crate) fn current_policy(app: &App) -> Policy {
    app.policy().value.clone()
}

impl App {
    /// Every fact of the current feeds; made anew only when the feeds have changed.
    pub(crate) async fn facts(&self) -> Result<Arc<FactBase>, Problem> {
        let feeds = self.feeds();
        let of = Arc::clone(&feeds);
        let work = move || {
            let feeds = of.iter().filter_map(|feed| {
                let documents = feed.documents.iter().map(|(_, document)| (**document).clone()).collect();
                let id = FeedId::new(feed.name.as_str()).ok()?;
                Some(Feed { id, fetched: Some(feed.fetched), documents })
            });
            Ok(FactBase::new(feeds.collect()))
        };
        self.known_facts.get(Same(feeds), (), work).await
    }
}

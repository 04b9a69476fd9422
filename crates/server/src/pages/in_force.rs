//! What the pages of the policy and of the evidence share: upload, the text, and what is kept.

use axum::extract::Request;
use axum::http::StatusCode;
use maud::{Markup, html};
use underpin_store::KeptRow;

use super::parts::{errors, scroll, time};
use crate::in_force::Ruled;
use crate::problem::{Code, Problem};
use crate::state::Shared;
use crate::upload::files;

/// Puts the file of a form in force, and says so or what is wrong with it.
pub(super) async fn put_in_force<T: Ruled>(app: &Shared, request: Request) -> (StatusCode, Markup) {
    let outcome = match files(request).await {
        Ok(files) => match files.as_slice() {
            [file] => app.put_in_force::<T>(&file.bytes).await,
            several => {
                Err(Code::BadBody.with(format!("{} files came; upload one at a time.", several.len())))
            }
        },
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(imported) => {
            let notice = html! { div.banner.good role="status" { strong { "In force: " (T::NAME) " " (imported.id) } a href="/risk" { "To the risk" } } };
            (StatusCode::OK, notice)
        }
        Err(problem) => (Problem::status(&problem), errors(&problem)),
    }
}

/// The file in force, letter for letter.
pub(super) fn as_uploaded(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text {
        section aria-labelledby="text" { h2 id="text" { "As uploaded" } div.scroll tabindex="0" role="region" aria-label="The file" { pre { (text) } } }
    } }
}

/// Everything that was uploaded, the one in force first.
pub(super) fn kept(rows: &[KeptRow]) -> Markup {
    html! { @if !rows.is_empty() {
        section aria-labelledby="kept" {
            h2 id="kept" { "Kept" }
            (scroll("Kept files", html! { table {
                caption { "Uploaded files, the one in force first" }
                thead { tr { th scope="col" { "Id" } th scope="col" { "First uploaded" } } }
                tbody { @for row in rows { tr { th.tight scope="row" { (row.id) } td.tight { (time(row.created_at)) } } } }
            } }))
        }
    } }
}

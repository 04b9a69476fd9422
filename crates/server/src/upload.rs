//! Reading uploaded files, from a bare body or a form.

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use bytes::Bytes;

use crate::problem::{Code, Problem};

/// An uploaded file.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Its name, where the client gives one.
    pub(crate) name: Option<String>,
    pub(crate) bytes: Bytes,
}

impl Upload {
    /// The name of the feed that it is. Without a name of its own it is a feed for itself: a common name would let one
    /// upload take another's place.
    pub(crate) fn feed_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let hash = underpin_store::sha256_hex(&self.bytes);
            format!("upload-{}", hash.get(..12).unwrap_or(&hash))
        })
    }
}

/// Most files of one form. Each is assessed on its own; an archive is one file.
const MAX_FILES: usize = 100;

fn refused(status: StatusCode, detail: &str) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Code::TooLarge
            .with("The upload is larger than this server accepts; split it, or compress it.");
    }
    Code::BadBody
        .with(format!("{detail}; send the file as the body, or as multipart/form-data in a field named file"))
}

/// All files of a request: the parts of a form that have content, or the body as one file.
pub(crate) async fn files(request: Request) -> Result<Vec<Upload>, Problem> {
    let files = maybe_files(request).await?;
    if files.is_empty() {
        return Err(refused(StatusCode::BAD_REQUEST, "There is no file in the request"));
    }
    Ok(files)
}

/// The same, where an empty body is a file too.
pub(crate) async fn files_or_empty(request: Request) -> Result<Vec<Upload>, Problem> {
    let is_form = kind(&request).starts_with("multipart/form-data");
    let files = maybe_files(request).await?;
    match (files.is_empty(), is_form) {
        (true, true) => Err(refused(StatusCode::BAD_REQUEST, "There is no file in the request")),
        (true, false) => Ok(vec![Upload { name: None, bytes: Bytes::new() }]),
        (false, _) => Ok(files),
    }
}

fn kind(request: &Request) -> &str {
    request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

async fn maybe_files(request: Request) -> Result<Vec<Upload>, Problem> {
    let mut files = Vec::new();
    if kind(&request).starts_with("multipart/form-data") {
        let form = Multipart::from_request(request, &()).await;
        let mut form = form.map_err(|e| refused(e.status(), &e.body_text()))?;
        while let Some(part) = form.next_field().await.map_err(|e| refused(e.status(), &e.body_text()))? {
            let name = part.file_name().filter(|n| !n.is_empty()).map(str::to_owned);
            let bytes = part.bytes().await.map_err(|e| refused(e.status(), &e.body_text()))?;
            if files.len() == MAX_FILES {
                let detail = format!("More than {MAX_FILES} files came at once; put them in an archive.");
                return Err(Code::TooLarge.with(detail));
            }
            if !bytes.is_empty() {
                files.push(Upload { name, bytes });
            }
        }
    } else {
        let bytes = Bytes::from_request(request, &()).await;
        let bytes = bytes.map_err(|e| refused(e.status(), &e.body_text()))?;
        if !bytes.is_empty() {
            files.push(Upload { name: None, bytes });
        }
    }
    Ok(files)
}

/// A hash over everything that was uploaded, to tell requests apart.
pub(crate) fn fingerprint(files: &[Upload]) -> String {
    let each = files.iter().map(|f| format!("{:?} {}\n", f.name, underpin_store::sha256_hex(&f.bytes)));
    underpin_store::sha256_hex(each.collect::<String>().as_bytes())
}

//! Stylesheets and scripts, embedded in the binary at build time.
//!
//! In: a file name. Out: the file of `web/dist`, in the smallest form that the browser takes (the build compresses
//! them once), cached by content. Never: a file from disk.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::HttpError;

#[derive(rust_embed::RustEmbed)]
#[folder = "web/dist"]
struct Dist;

/// The address of an asset, with a piece of its hash, so that browsers may keep it for good.
pub(super) fn address(name: &str) -> String {
    match Dist::get(name) {
        Some(file) => {
            let hash = hex::encode(file.metadata.sha256_hash());
            format!("/assets/{name}?v={}", hash.get(..12).unwrap_or_default())
        }
        None => format!("/assets/{name}"),
    }
}

/// The address of an asset that the build may have left out, where it is there.
pub(super) fn address_if_built(name: &str) -> Option<String> {
    Dist::get(name).is_some().then(|| address(name))
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Forms in which the build leaves a file, best first: name of the coding, and what its file ends with.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// `GET /assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, HttpError> {
    let plain = Dist::get(&name).ok_or(HttpError::NotFound)?;
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let coded = CODINGS
        .into_iter()
        .filter(|(coding, _)| accepts(accepted, coding))
        .find_map(|(coding, ending)| Some((coding, Dist::get(&format!("{name}{ending}"))?)));
    let (coding, file) = match coded {
        Some((coding, file)) => (Some(coding), file),
        None => (None, plain),
    };
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    let mut answer =
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, kind(&name))], file.data.into_owned()).into_response()
        };
    if let Some(coding) = coding {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let kept = "public, max-age=31536000, immutable";
    let same =
        [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, kept), (header::VARY, "accept-encoding")];
    Ok((same, answer).into_response())
}

/// Whether a browser takes a coding (RFC 9110 12.5.3); one with the weight 0 it does not take.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .and_then(|weight| weight.parse::<f32>().ok())
                .is_some_and(|weight| weight <= 0.0)
        });
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_coding_is_taken_where_it_is_named_without_the_weight_0() {
        assert!(accepts("gzip, deflate, br, zstd", "br"));
        assert!(accepts("BR;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[tokio::test]
    async fn an_asset_comes_in_a_coding_that_the_browser_takes_and_plain_otherwise() {
        let name = || Path("icon.svg".to_owned());
        if Dist::get("icon.svg").is_none() {
            eprintln!("skipped: web/dist was not built (scripts/web.sh)");
            return;
        }
        let plain = asset(name(), HeaderMap::new()).await.unwrap();
        assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
        let coded = asset(name(), asked(&[(header::ACCEPT_ENCODING, "gzip")])).await.unwrap();
        assert_eq!(coded.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(coded.headers()[header::VARY], "accept-encoding");
        assert_ne!(coded.headers()[header::ETAG], plain.headers()[header::ETAG]);
        let body = axum::body::to_bytes(coded.into_body(), 1 << 20).await.unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut text).unwrap();
        assert_eq!(text.as_bytes(), &Dist::get("icon.svg").unwrap().data[..]);
    }
}

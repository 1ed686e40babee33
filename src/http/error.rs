//! The only place where HTTP errors are made.
//!
//! In: what went wrong inside. Out: a status, a stable code and plain words, as JSON to programs and as a page to
//! people. Never: internals, identifiers of patients, or anything of another read (PATHWAYS R5).

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::reading::Refusal;
use crate::store::StoreError;
use crate::vocab::InvalidValue;

/// What a request can end in, other than what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// Nobody has signed in.
    #[error("sign in first")]
    Unauthenticated,
    /// The name or the password is wrong; which of them is not said.
    #[error("the name or the password is wrong")]
    WrongSignIn,
    /// Not in that role.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It is not there, or not for this person to see.
    #[error("there is nothing here that you can see")]
    NotFound,
    /// Somebody else was there first.
    #[error("{message}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// The rules of reading refuse it.
    #[error("{message}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// The request can't be understood.
    #[error("{0}")]
    BadRequest(String),
    /// The image can't be shown; coded, as the reason for not scoring it would be.
    #[error("{message}")]
    NotRenderable {
        /// Stable code.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// Too often.
    #[error("too many attempts: try again in {retry_after_seconds} seconds")]
    TooMany {
        /// When to come back.
        retry_after_seconds: i64,
    },
    /// A part of the service is away for the moment.
    #[error("{0}")]
    Unavailable(&'static str),
    /// It is our fault; the log says what it is.
    #[error("something went wrong here; it has been logged")]
    Internal,
}

impl HttpError {
    /// Status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            HttpError::Unauthenticated | HttpError::WrongSignIn => StatusCode::UNAUTHORIZED,
            HttpError::Forbidden(_) => StatusCode::FORBIDDEN,
            HttpError::NotFound => StatusCode::NOT_FOUND,
            HttpError::Conflict { .. } => StatusCode::CONFLICT,
            HttpError::Refused { .. } | HttpError::NotRenderable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            HttpError::BadRequest(_) => StatusCode::BAD_REQUEST,
            HttpError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            HttpError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            HttpError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            HttpError::Unauthenticated => "unauthenticated",
            HttpError::WrongSignIn => "wrong_sign_in",
            HttpError::Forbidden(_) => "forbidden",
            HttpError::NotFound => "not_found",
            HttpError::Conflict { code, .. }
            | HttpError::Refused { code, .. }
            | HttpError::NotRenderable { code, .. } => code,
            HttpError::BadRequest(_) => "bad_request",
            HttpError::TooMany { .. } => "too_many_attempts",
            HttpError::Unavailable(_) => "unavailable",
            HttpError::Internal => "internal",
        }
    }

    /// Logs a failure of ours once, and gives the answer that does not tell it.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = vec![error.to_string()];
        let mut next = error.source();
        while let Some(cause) = next {
            chain.push(cause.to_string());
            next = cause.source();
        }
        tracing::error!(error = chain.join(": "), "a request failed");
        HttpError::Internal
    }
}

/// The body of every error of the API.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct ErrorBody {
    /// Stable code for programs.
    code: String,
    /// Plain words for people.
    message: String,
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let body = ErrorBody { code: self.code().to_owned(), message: self.to_string() };
        let mut response = (self.status(), Json(body)).into_response();
        if let HttpError::TooMany { retry_after_seconds } = &self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        if matches!(self, HttpError::Unauthenticated) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { .. } => HttpError::NotFound,
            StoreError::VersionClash => HttpError::Conflict {
                code: "version_clash",
                message: "someone else acted on this case at the same moment; look at it again".to_owned(),
            },
            StoreError::LeaseLost { .. } => HttpError::Conflict {
                code: "claim_lost",
                message: "your hold on this case has ended; open it again".to_owned(),
            },
            StoreError::Unreachable(_) => {
                tracing::warn!("a request found the database away");
                HttpError::Unavailable("the database is away for the moment; nothing was changed, try again")
            }
            StoreError::Constraint { .. }
            | StoreError::Corrupt { .. }
            | StoreError::SchemaIsNewer { .. }
            | StoreError::MigrationChanged { .. }
            | StoreError::PolicyChanged { .. }
            | StoreError::Address
            | StoreError::Database(_) => HttpError::internal(&error),
        }
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = (refusal.code(), refusal.to_string());
        match refusal {
            Refusal::RoleNotAllowed { .. } | Refusal::NotAPerson | Refusal::NotForPeople => {
                HttpError::Forbidden("this is not for your role")
            }
            Refusal::ClaimedByAnother { .. }
            | Refusal::ClaimedByYou { .. }
            | Refusal::ClaimLost
            | Refusal::Superseded { .. }
            | Refusal::AlreadyRead
            | Refusal::ReadIdTaken
            | Refusal::AiAlreadyResulted
            | Refusal::AlreadyConcluded
            | Refusal::AlreadyReleased
            | Refusal::AlreadyFinal
            | Refusal::ArbitrationExists => HttpError::Conflict { code, message },
            _ => HttpError::Refused { code, message },
        }
    }
}

impl From<InvalidValue> for HttpError {
    fn from(error: InvalidValue) -> Self {
        HttpError::BadRequest(error.to_string())
    }
}

/// Turns errors into pages for people: everything outside of the API.
pub(super) async fn errors_as_pages(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let for_programs = ["/api/", "/dicom-web/", "/health/", "/metrics", "/assets/"]
        .iter()
        .any(|start| path.starts_with(start));
    let sign_in_again = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_read = request.method() == axum::http::Method::GET;
    let response = next.run(request).await;
    if for_programs {
        return response;
    }
    let Some(error) = response.extensions().get::<HttpError>().cloned() else { return response };
    if matches!(error, HttpError::Unauthenticated) {
        return super::pages::sign_in::send_there(is_read.then_some(sign_in_again.as_str()));
    }
    let mut page = super::pages::error_page(&error);
    if let Some(value) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, value.clone());
    }
    page
}

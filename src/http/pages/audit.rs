//! Agreement between AI and first readers, with each measure explained where it stands.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::frame::{Frame, Look};
use super::page;
use crate::audit::{ConcordanceGroup, Figure};
use crate::http::caller::Caller;
use crate::http::concordance::{PeriodQuery, report};
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::words;

struct Measure {
    name: &'static str,
    value: String,
    interval: String,
    n: u64,
    explained: &'static str,
}

struct Group {
    title: String,
    model: String,
    n: u64,
    cells: [u64; 4],
    measures: Vec<Measure>,
    left_out: Vec<String>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    from: String,
    to: String,
    compared_with: String,
    positive_means: String,
    groups: Vec<Group>,
}

/// `GET /audit`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(query): Query<PeriodQuery>,
) -> Result<Response, HttpError> {
    let report = report(&state, &caller, &query).await?;
    let day = |at: Option<crate::vocab::Timestamp>| {
        at.map(|at| at.to_string().chars().take(10).collect()).unwrap_or_default()
    };
    page(&AuditPage {
        frame: look.frame("Agreement"),
        from: day(report.period.from),
        to: day(report.period.to),
        compared_with: report.compared_with,
        positive_means: report.positive_means,
        groups: report.groups.iter().map(group).collect(),
    })
}

fn group(group: &ConcordanceGroup) -> Group {
    let model = if group.model_name.is_empty() {
        "no model took part".to_owned()
    } else {
        format!("{} {}, operating point {}", group.model_name, group.model_version, group.operating_point)
    };
    let table = &group.table;
    Group {
        title: words::pathway(group.pathway).to_owned(),
        model,
        n: group.n,
        cells: [table.both_positive, table.ai_only, table.human_only, table.both_negative],
        measures: vec![
            measure(
                "Observed agreement",
                &group.kappa.observed_agreement,
                "Share of exams on which AI and reader said the same. High whenever most exams are normal.",
            ),
            measure(
                "Positive agreement",
                &group.kappa.positive_agreement,
                "Of all positive calls by either, the share on which both were positive: the one to watch where disease is rare.",
            ),
            measure(
                "Negative agreement",
                &group.negative_agreement,
                "Of all negative calls by either, the share on which both were negative.",
            ),
            measure(
                "Cohen's kappa",
                &group.kappa.kappa,
                "Agreement beyond chance. It falls when positives are rare, so read it beside prevalence and positive agreement.",
            ),
            measure(
                "Prevalence",
                &group.kappa.prevalence,
                "Share of exams that the first reader called positive.",
            ),
            measure("AI positive rate", &group.ai_positive_rate, "Share of exams that the AI flagged."),
            measure(
                "Discordance",
                &group.discordance_rate,
                "Share of exams on which they differ: these get a second reader.",
            ),
        ],
        left_out: group
            .left_out
            .iter()
            .map(|one| {
                let (ai, human) = (words::code_words(&one.ai_word), words::code_words(&one.human_word));
                format!("{}: AI {ai}, reader {human}", one.count)
            })
            .collect(),
    }
}

fn measure(name: &'static str, figure: &Figure, explained: &'static str) -> Measure {
    let (value, interval) = match figure {
        Figure::Known { value, low, high, method, .. } => {
            (format!("{value:.3}"), format!("{low:.3} to {high:.3} ({})", method.words()))
        }
        Figure::NotEnoughCases { needed, .. } => ("not enough cases".to_owned(), format!("{needed} needed")),
        Figure::Undefined { .. } => ("can't be computed from these cases".to_owned(), String::new()),
    };
    Measure { name, value, interval, n: figure.n(), explained }
}

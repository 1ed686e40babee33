//! Scripted readers: they work over the HTTP API as people do, agree, disagree and arbitrate.
//!
//! What they say comes from the truth beside the phantoms, with slips that depend on the study, so
//! that every run has second reads and arbitrations. Never from the AI: they read blind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Longer than the guard against accidental clicks (PATHWAYS R13).
const LOOKS_FOR: Duration = Duration::from_millis(2_200);

/// A signed-in reader.
pub(super) struct Reader {
    client: reqwest::Client,
    base: String,
    cookie: String,
    csrf_token: String,
    number: usize,
}

impl Reader {
    /// Begins a session.
    pub(super) async fn sign_in(
        http: SocketAddr,
        name: &str,
        password: &str,
        number: usize,
    ) -> anyhow::Result<Self> {
        let client = crate::post::client(&crate::post::Endpoint::default())?;
        let base = format!("http://{http}");
        let answer = client
            .post(format!("{base}/api/session"))
            .header("Origin", &base)
            .json(&json!({ "name": name, "password": password }))
            .send()
            .await?
            .error_for_status()
            .with_context(|| format!("{name} can't sign in"))?;
        let cookie =
            answer.headers().get("set-cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let body: Value = answer.json().await?;
        let csrf_token = body["csrf_token"].as_str().context("no CSRF token")?.to_owned();
        Ok(Self { client, base, cookie, csrf_token, number })
    }

    /// Reads, then arbitrates, whatever waits for this reader.
    pub(super) async fn work(&self, truths: &BTreeMap<String, Value>) -> anyhow::Result<()> {
        while let Some(case) = self.call(Method::POST, "/api/cases/next", json!({})).await? {
            self.read(&case, truths).await?;
        }
        let waiting =
            self.call(Method::GET, "/api/cases?state=arbitration", Value::Null).await?.unwrap_or_default();
        for row in waiting["cases"].as_array().unwrap_or(&Vec::new()) {
            let path = format!("/api/cases/{}", row["case_id"].as_str().unwrap_or_default());
            if let Some(case) = self.call(Method::POST, &format!("{path}/claim"), json!({})).await? {
                self.arbitrate(&case, truths).await?;
            }
        }
        Ok(())
    }

    async fn read(&self, case: &Value, truths: &BTreeMap<String, Value>) -> anyhow::Result<()> {
        let path = format!("/api/cases/{}", case["case_id"].as_str().context("a case has no id")?);
        self.look(case, &path).await?;
        let opinion = opinion(case, truths, self.slips(case));
        let body = json!({ "claim_token": case["claim_token"], "opinion": opinion });
        let locked = self.call(Method::POST, &format!("{path}/reads"), body).await?.unwrap_or_default();
        self.finish(&locked, &path).await
    }

    /// Lets the locked read count now, and gives the reason that may be owed.
    async fn finish(&self, locked: &Value, path: &str) -> anyhow::Result<()> {
        let own = match &locked["case"]["own"] {
            // An arbitration is among the reads, not the reader's own blind one.
            Value::Null => {
                locked["case"]["reads"].as_array().and_then(|reads| reads.last()).unwrap_or(&Value::Null)
            }
            own => own,
        };
        let Some(read) = own["id"].as_str() else { bail!("a locked read has no id") };
        if own["finalised_at"].is_null() {
            self.call(Method::POST, &format!("{path}/reads/{read}/finalise"), json!({})).await?;
        }
        self.give_reason(path).await
    }

    async fn arbitrate(&self, case: &Value, truths: &BTreeMap<String, Value>) -> anyhow::Result<()> {
        let path = format!("/api/cases/{}", case["case_id"].as_str().context("a case has no id")?);
        self.look(case, &path).await?;
        let body = json!({
            "claim_token": case["claim_token"], "opinion": opinion(case, truths, false),
            "note": "Settled by the third reader.",
        });
        let locked = self.call(Method::POST, &format!("{path}/arbitration"), body).await?.unwrap_or_default();
        self.finish(&locked, &path).await
    }

    /// Opens every image and looks for longer than an accidental click takes.
    async fn look(&self, case: &Value, path: &str) -> anyhow::Result<()> {
        let images: Vec<&Value> = case["images"]
            .as_array()
            .map(|all| all.iter().map(|i| &i["sop_instance_uid"]).collect())
            .unwrap_or_default();
        let body = json!({ "claim_token": case["claim_token"], "images": images });
        self.call(Method::POST, &format!("{path}/acknowledge"), body).await?;
        tokio::time::sleep(LOOKS_FOR).await;
        Ok(())
    }

    /// Gives the reason that is owed where people overruled the AI.
    async fn give_reason(&self, path: &str) -> anyhow::Result<()> {
        let case = self.call(Method::GET, path, Value::Null).await?.unwrap_or_default();
        if case["case"]["overrule"] == "owed" {
            let body = json!({ "reason": "other", "note": "Scripted reader of the demonstration." });
            self.call(Method::POST, &format!("{path}/overrule-reason"), body).await?;
        }
        Ok(())
    }

    /// The first reader errs on some studies, the second on others, so that there is something to settle.
    fn slips(&self, case: &Value) -> bool {
        let study = case["case"]["case"]["set"]["study_instance_uid"].as_str();
        let study = study.or_else(|| case["case"]["set"]["study_instance_uid"].as_str()).unwrap_or_default();
        let sum: usize = study.bytes().map(usize::from).sum();
        self.number < 2 && sum % 4 == self.number
    }

    /// One call; the body of the answer, or none where nothing waits or somebody else was faster.
    async fn call(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Option<Value>> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("Origin", &self.base)
            .header("X-CSRF-Token", &self.csrf_token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        match answer.status() {
            StatusCode::NO_CONTENT | StatusCode::CONFLICT => Ok(None),
            status if status.is_success() => Ok(answer.json().await.ok()),
            status => bail!("{path} answered {status}: {}", answer.text().await.unwrap_or_default()),
        }
    }
}

/// What a reader says of a case: the truth of its images, or the opposite where they slip.
fn opinion(case: &Value, truths: &BTreeMap<String, Value>, slips: bool) -> Value {
    let uids =
        case["images"].as_array().map(|images| images.iter().filter_map(|i| i["sop_instance_uid"].as_str()));
    let truths: Vec<&Value> = uids.into_iter().flatten().filter_map(|uid| truths.get(uid)).collect();
    let findings: Vec<&Value> =
        truths.iter().filter_map(|truth| truth["findings"].as_array()).flatten().collect();
    if case["pathway"] == "chest" {
        chest(&truths, &findings, slips)
    } else {
        mammo(&truths, &findings, slips)
    }
}

fn chest(truths: &[&Value], findings: &[&Value], slips: bool) -> Value {
    if truths.iter().all(|truth| truth["pathway"] != "chest") {
        return json!({ "pathway": "chest", "opinion": "inadequate", "reason": "other" });
    }
    match (findings.is_empty(), slips) {
        (true, false) | (false, true) => json!({ "pathway": "chest", "opinion": "normal" }),
        (true, true) => json!({
            "pathway": "chest", "opinion": "abnormal",
            "findings": [{ "code": "nodule", "side": "right", "zone": "upper", "confidence": "possible" }],
        }),
        (false, false) => {
            let mut said: Vec<Value> = Vec::new();
            for finding in findings {
                let urgent = finding["code"] == "pneumothorax";
                let one = json!({
                    "code": finding["code"], "side": finding["side"], "zone": finding["zone"],
                    "confidence": "definite", "urgent": urgent,
                });
                if said.iter().all(|earlier| earlier["code"] != one["code"] || earlier["side"] != one["side"])
                {
                    said.push(one);
                }
            }
            json!({ "pathway": "chest", "opinion": "abnormal", "findings": said })
        }
    }
}

fn mammo(truths: &[&Value], findings: &[&Value], slips: bool) -> Value {
    let views: Vec<&str> = truths.iter().filter_map(|truth| truth["view"].as_str()).collect();
    let missing: Vec<Value> = ["RCC", "LCC", "RMLO", "LMLO"]
        .iter()
        .filter(|view| !views.contains(view))
        .map(|view| json!({ "view": view, "reason": "missing" }))
        .collect();
    if !missing.is_empty() {
        return json!({ "pathway": "mammo", "opinion": "technical_recall", "views": missing });
    }
    let breast = |side: &str| {
        let feature =
            findings.iter().find(|finding| finding["side"] == side).map(|finding| &finding["feature"]);
        match (feature, slips) {
            (Some(feature), _) => {
                json!({ "assessment": "abnormal", "marks": [{ "feature": feature, "concern": "4" }] })
            }
            (None, true) if side == "right" => {
                json!({ "assessment": "abnormal", "marks": [{ "feature": "asymmetry", "concern": "3" }] })
            }
            (None, _) => json!({ "assessment": "normal", "marks": [] }),
        }
    };
    match (findings.is_empty(), slips) {
        (true, false) | (false, true) => json!({ "pathway": "mammo", "opinion": "normal" }),
        (true, true) | (false, false) => {
            json!({ "pathway": "mammo", "opinion": "recall", "right": breast("right"), "left": breast("left") })
        }
    }
}

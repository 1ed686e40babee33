//! Every page in a real browser, as each role: nothing that it complains of, above all no breach of the content
//! security policy. `pages.mjs` drives Chromium; see there for what a walk is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use doubleread::store::HoldReason;
use doubleread::vocab::{AiOutcome, Mark, Pathway, Region, Role};
use serde_json::{Value, json};

use crate::http_images::archived;
use crate::http_service::{PASSWORD, Service};
use crate::http_world::{Made, ai_says, instances, make_case_of, record};

/// The browser, or why this test can't run here.
fn browser() -> Result<PathBuf, &'static str> {
    let on_path = |name: &str| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
    };
    on_path("node").ok_or("Node is not installed")?;
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist/dark.css");
    if !assets.is_file() {
        return Err("the page assets are not built (scripts/web.sh)");
    }
    on_path("chromium").ok_or("Chromium is not installed (scripts/packages.sh)")
}

/// A case whose images can be shown, with a region of the AI on the first.
async fn shown_case(service: &Service, number: u32, pathway: Pathway, policy: &str, hash: &str) -> Made {
    let mut images = instances(number, pathway, service.now());
    for image in &mut images {
        hash.clone_into(&mut image.content_hash);
        (image.tags.rows, image.tags.columns) = (2_000, 1_600);
    }
    let mut result = ai_says(AiOutcome::Abnormal, 0.8, service.now());
    let sop_instance_uid = images[0].sop_instance_uid.clone();
    let mark = Mark { sop_instance_uid, frame: 1, x: 200.0, y: 300.0, width: 300.0, height: 300.0 };
    result.regions.push(Region { mark, score: 0.8 });
    let made = make_case_of(service, number, policy, images).await;
    record(service, &made, result).await;
    made
}

fn walk(name: &str, theme: &str, steps: &[Value]) -> Value {
    json!({ "name": name, "password": PASSWORD, "theme": theme, "steps": steps })
}

/// What a reader does: opens the next case of a pathway, looks at every fold, says normal, looks back and compares.
fn reading(pathway: &str) -> Vec<Value> {
    vec![
        json!({ "visit": format!("/worklist?pathway={pathway}") }),
        json!({ "press": ".dr-table form[action$='/open'] button" }),
        json!({ "click": "details[data-key=r] summary" }),
        json!({ "click": "details[data-key=t] summary" }),
        json!({ "shot": format!("{pathway}-blind") }),
        json!({ "change": "form:has(input[name=opinion][value=normal]) button[data-guarded]" }),
        json!({ "change": ".dr-toast a" }),
        json!({ "change": "button[data-key=c]" }),
        json!({ "shot": format!("{pathway}-revealed") }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_any_role_makes_the_browser_complain() {
    let chromium = match browser() {
        Ok(chromium) => chromium,
        Err(why) => {
            assert!(std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"), "{why}");
            println!("skipped: {why}");
            return;
        }
    };
    let service = Service::start().await;
    for (name, role) in [
        ("rad", Role::Radiographer),
        ("anna", Role::Reader),
        ("lena", Role::Lead),
        ("audrey", Role::Auditor),
        ("ada", Role::Admin),
    ] {
        service.person(name, &[role]).await;
    }
    let hash = archived(&service);
    shown_case(&service, 1, Pathway::Chest, "chest-verify", &hash).await;
    shown_case(&service, 2, Pathway::Chest, "chest-verify", &hash).await;
    shown_case(&service, 3, Pathway::Mammo, "mammo-ai-second", &hash).await;
    let held = shown_case(&service, 4, Pathway::Mammo, "mammo-ai-second", &hash).await;
    service.store.hold_study(&held.study, HoldReason::IdentityConflict, service.now()).await.unwrap();
    let mut other = instances(2, Pathway::Chest, service.now());
    other[0].content_hash = "ff".repeat(32);
    service.store.register(other).await.unwrap();

    // Time passes for the service as well, or every opinion would be an accidental click.
    let clock = service.clock.clone();
    let passing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            clock.advance_ms(1_000);
        }
    });
    let reader: Vec<Value> =
        [vec![json!({ "crawl": 20 })], reading("chest"), reading("mammo"), vec![json!({ "crawl": 20 })]]
            .concat();
    let plan = json!({
        "chromium": chromium,
        "base": service.base,
        "shots": std::env::var("DOUBLEREAD_TEST_SHOTS").ok(),
        "walks": [
            walk("rad", "dark", &[json!({ "crawl": 20 })]),
            walk("anna", "dark", &reader),
            walk("lena", "light", &[
                json!({ "visit": "/operations" }),
                json!({ "shot": "operations" }),
                json!({ "crawl": 30 }),
                json!({ "visit": format!("/cases/{}", held.case_id) }),
            ]),
            walk("audrey", "light", &[json!({ "crawl": 20 }), json!({ "visit": "/audit" })]),
            walk("ada", "dark", &[json!({ "crawl": 30 }), json!({ "visit": "/operations" })]),
        ],
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pages.mjs");
    let output = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
        node.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    passing.abort();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}

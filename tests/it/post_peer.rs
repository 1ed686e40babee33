//! The bundles against another implementation of FHIR: the models of Python's `fhir.resources` (R4B, which has
//! the same structure as R4 for every resource that is sent).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use doubleread::post::{follow_up_order, repeat_request, report_bundle, urgent_message};

use crate::post_sample::{chest_case, mammo_case, repeat_ask, systems, urgent_act};

const CHECK: &str = "
import json, sys
from fhir.resources.R4B.bundle import Bundle
for line in sys.stdin:
    bundle = Bundle.model_validate(json.loads(line))
    print(len(bundle.entry))
";

#[test]
fn bundles_pass_the_models_of_another_fhir_library() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let there = Command::new(&python)
        .args(["-c", "import fhir.resources.R4B.bundle"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        assert!(std::env::var_os("REQUIRE_PEERS").is_none(), "fhir.resources is missing in .venv");
        println!("skipped: fhir.resources is missing in .venv (make peers)");
        return;
    }
    let systems = systems();
    let mut amended = chest_case(1);
    amended.release_number = 2;
    let bundles = [
        report_bundle(&chest_case(1), &systems),
        report_bundle(&amended, &systems),
        report_bundle(&mammo_case(2), &systems),
        urgent_message(&urgent_act(1), &systems),
        follow_up_order(&urgent_act(1), &systems),
        repeat_request(&repeat_ask(2), &systems),
    ];
    let mut peer = Command::new(&python)
        .args(["-c", CHECK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = peer.stdin.take().expect("a pipe");
    for bundle in &bundles {
        writeln!(input, "{bundle}").expect("written");
    }
    drop(input);
    let output = peer.wait_with_output().expect("python ends");
    assert!(output.status.success(), "the peer refuses a bundle");
    let counts: Vec<usize> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse().expect("a count")).collect();
    let sent: Vec<usize> = bundles.iter().map(|b| b["entry"].as_array().expect("entries").len()).collect();
    assert_eq!(counts, sent);
}

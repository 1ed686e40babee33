//! The pool of decode workers: what dies in a child stays there.

use std::io::Write;
use std::path::{Path, PathBuf};

use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::prepare::worker::{Pool, Settings, Urgency};
use doubleread::prepare::{
    InputSpec, Limits, PhotometricRule, Prepared, RenderRequest, ResizeFilter, Scope, WindowingRule,
};
use doubleread::vocab::{NotProcessed, NotProcessedReason as Reason, Pathway};

use crate::prepare_goldens::{anything, grid_spec};

/// A secondary capture of 64 by 64 grey ramps in explicit little endian.
pub fn small_film(folder: &Path) -> PathBuf {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0");
    let mut short = |element: [u8; 4], value: u16| {
        bytes.extend(element);
        bytes.extend(b"US\x02\x00");
        bytes.extend(value.to_le_bytes());
    };
    short([0x28, 0, 0x02, 0], 1);
    short([0x28, 0, 0x10, 0], 64);
    short([0x28, 0, 0x11, 0], 64);
    short([0x28, 0, 0x00, 1], 8);
    short([0x28, 0, 0x01, 1], 8);
    short([0x28, 0, 0x02, 1], 7);
    short([0x28, 0, 0x03, 1], 0);
    bytes.extend(b"\x28\x00\x04\x00CS\x0c\x00MONOCHROME2 ");
    bytes.extend(b"\xE0\x7F\x10\x00OB\0\0");
    bytes.extend(4096_u32.to_le_bytes());
    bytes.extend((0..4096_u32).map(|i| (i % 64 * 4) as u8));
    let path = folder.join("small.dcm");
    std::fs::File::create(&path).and_then(|mut file| file.write_all(&bytes)).expect("a small film");
    path
}

fn pool(settings: Settings) -> Pool {
    Pool::start(settings, env!("CARGO_BIN_EXE_doubleread").into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_answers_what_the_library_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = small_film(folder.path());
    let (spec, scope) = (grid_spec(8, 8), anything());
    let here = doubleread::prepare::prepare_file(&film, &spec, &scope, &Limits::default()).expect("prepared");
    let pool = pool(Settings::default());
    let there = pool.prepare(&film, &spec, &scope, Urgency::Routine).await.expect("prepared by a child");
    assert_eq!((here.tensor, here.shape, here.mapping), (there.tensor, there.shape, there.mapping));
    let image = pool.render(&film, &RenderRequest::default(), Urgency::Urgent).await.expect("rendered");
    assert_eq!((image.width, image.height, image.grey.len()), (64, 64, 4096));
    assert!(image.png.starts_with(b"\x89PNG"));
    let raw = pool.raw_frame(&film, 1, Urgency::Urgent).await.expect("a raw frame");
    assert_eq!((raw.samples.len(), raw.attributes.columns), (4096, 64));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_models_in_one_request_get_what_each_gets_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = StudyOptions {
        size: Some((416, 512)),
        mammo_views: vec!["LMLO".parse().expect("a view")],
        ..StudyOptions::default()
    };
    let instance = generate_study(Pathway::Mammo, 7, &options).remove(0);
    let film = folder.path().join(&instance.file_name);
    std::fs::write(&film, instance.part10().expect("a file")).expect("written");

    // One takes the object's own window, one looks at every value first, one wants black and white turned round.
    let percentiles = WindowingRule::MinMaxPercentile { low: 0.5, high: 99.5 };
    let own = InputSpec { min_oversampling: Some(1.0), ..grid_spec(32, 40) };
    let stretched = InputSpec { windowing: percentiles, resize: ResizeFilter::Triangle, ..grid_spec(24, 24) };
    let turned = InputSpec { photometric: PhotometricRule::DarkIsDense, ..grid_spec(16, 16) };
    let scope = anything();
    let chest_alone = Scope { modalities: vec!["CR".into()], ..anything() };
    let wanted = [
        (&own, &scope),
        (&stretched, &chest_alone),
        (&stretched, &scope),
        (&turned, &scope),
        (&own, &chest_alone),
    ];

    let facts = |answer: Result<Prepared, NotProcessed>| {
        answer.map(|Prepared { tensor, shape, mapping, quality, rows_run_to, timings: _ }| {
            assert_eq!(rows_run_to, "A", "a left breast, chest wall first");
            (tensor, shape, mapping, quality)
        })
    };
    let pool = pool(Settings::default());
    let together = pool.prepare_for(&film, &wanted, Urgency::Routine).await;
    assert_eq!(together.len(), wanted.len());
    for (number, (answer, (spec, scope))) in together.into_iter().zip(wanted).enumerate() {
        let alone = pool.prepare(&film, spec, scope, Urgency::Routine).await;
        assert_eq!(alone.is_ok(), ![1, 4].contains(&number), "{number}");
        assert!(facts(answer) == facts(alone), "{number}");
    }
    assert!(pool.prepare_for(&film, &[], Urgency::Routine).await.is_empty());
    let refused = pool.prepare_for(&folder.path().join("none.dcm"), &wanted, Urgency::Routine).await;
    assert_eq!(refused.iter().filter(|answer| answer.is_err()).count(), wanted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_runs_over_its_time_is_killed_and_the_pool_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = small_film(folder.path());
    // A pipe that nobody writes into: reading it would wait for ever.
    let stuck = folder.path().join("stuck.dcm");
    let made = std::process::Command::new("mkfifo").arg(&stuck).status().expect("mkfifo");
    assert!(made.success());
    let pool = pool(Settings { children: 1, request_timeout_ms: 1_500, ..Settings::default() });
    let refused = pool.prepare(&stuck, &grid_spec(8, 8), &anything(), Urgency::Routine).await;
    let refused = refused.expect_err("never read");
    assert_eq!(refused.reason, Reason::Undecodable);
    assert!(refused.detail.contains("longer than 1500 ms"), "{}", refused.detail);
    pool.prepare(&film, &grid_spec(8, 8), &anything(), Urgency::Routine).await.expect("the next one works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_needs_more_memory_than_it_may_have_fails_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = small_film(folder.path());
    // A file of holes: no room on disk, but more than the child's address space in memory.
    let large = folder.path().join("large.dcm");
    std::fs::File::create(&large).and_then(|file| file.set_len(1 << 30)).expect("a file of holes");
    let pool = pool(Settings { children: 1, memory_limit_bytes: 400 << 20, ..Settings::default() });
    let refused = pool.prepare(&large, &grid_spec(8, 8), &anything(), Urgency::Routine).await;
    assert_eq!(refused.expect_err("too large for the child").reason, Reason::Undecodable);
    pool.prepare(&film, &grid_spec(8, 8), &anything(), Urgency::Routine).await.expect("the next one works");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_children_and_all_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = small_film(folder.path());
    let pool = pool(Settings { children: 2, queue_length: 4, requests_per_child: 7, ..Settings::default() });
    let (spec, scope) = (grid_spec(8, 8), anything());
    let calls = (0..40).map(|i| {
        let urgency = if i % 3 == 0 { Urgency::Urgent } else { Urgency::Routine };
        pool.prepare(&film, &spec, &scope, urgency)
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok));
}

/// A program that dies at its first start and is the real one after that.
fn dies_once(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let (script, flag) = (folder.join("program"), folder.join("started"));
    let text = format!(
        "#!/bin/sh\nif [ ! -e '{flag}' ]; then : > '{flag}'; kill -9 $$; fi\nexec '{program}' \"$@\"\n",
        flag = flag.display(),
        program = env!("CARGO_BIN_EXE_doubleread")
    );
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("may be run");
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_killed_at_its_first_request_costs_no_image_its_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = small_film(folder.path());
    let pool = Pool::start(Settings { children: 1, ..Settings::default() }, dies_once(folder.path()));
    pool.prepare(&film, &grid_spec(8, 8), &anything(), Urgency::Routine).await.expect("by another child");
    assert!(folder.path().join("started").exists());
}

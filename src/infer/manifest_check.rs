//! What a manifest must hold beyond its types: names that exist, thresholds for all that is shown.
//!
//! In: a manifest as it was read. Out: nothing, or the key and what is wrong with it. Pure.

use super::error::InferError;
use super::manifest::{Label, Manifest, OverallRule, SideRule};
use crate::vocab::Pathway;

/// Most labels of one model.
const MAX_LABELS: usize = 1024;
/// Largest batch that a manifest may ask for.
const MAX_BATCH: usize = 256;

impl Manifest {
    /// Checks what the types can't.
    pub fn check(&self) -> Result<(), InferError> {
        let bad = |field: &str, problem: &str| Err(InferError::invalid(field, problem));
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
                && !text.starts_with('.')
        };
        if !plain(&self.name) || !plain(&self.version) {
            return bad("name, version", "take letters, digits, dots and dashes only");
        }
        if !plain(&self.file) || !plain(&self.card) {
            return bad("file, card", "are names of files in the model's own folder");
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return bad("sha256", "is not 64 lower-case hexadecimal digits");
        }
        if self.trained_on.trim().is_empty() {
            return bad("trained_on", "is empty; pages show it");
        }
        if self.pathway == Pathway::Chest && !self.required_views.is_empty() {
            return bad("required_views", "are mammographic views; a chest model has none");
        }
        if !(1..=MAX_BATCH).contains(&self.graph.batch.max()) {
            return bad("graph.batch", "is not between 1 and 256 images");
        }
        self.input.check().map_err(|e| InferError::invalid("input", e.to_string()))?;
        self.check_graph()?;
        self.check_labels()?;
        self.check_points()?;
        if !(self.regions.part_of_peak > 0.0 && self.regions.part_of_peak <= 1.0) {
            return bad("regions.part_of_peak", "is not above 0 and at most 1");
        }
        if let Some(limit) = &self.out_of_distribution {
            if !limit.refuse_above.is_finite() {
                return bad("out_of_distribution.refuse_above", "is no number");
            }
            if limit.chosen_on.trim().is_empty() {
                return bad("out_of_distribution.chosen_on", "does not say what data chose the limit");
            }
        }
        Ok(())
    }

    /// One image input or several views; every output has its labels, in the order of the outputs.
    fn check_graph(&self) -> Result<(), InferError> {
        let bad = |field: &str, problem: &str| Err(InferError::invalid(field, problem));
        let (graph, several) = (&self.graph, !self.graph.inputs.is_empty());
        if graph.input.is_empty() != several {
            return bad("graph.input", "and graph.inputs: name one input, or several with their views");
        }
        if several && self.pathway == Pathway::Chest {
            return bad("graph.inputs", "are mammographic views; a chest graph takes one image a run");
        }
        if several && graph.map.is_some() {
            return bad("graph.map", "belongs to one input: name it in graph.inputs");
        }
        for (place, input) in graph.inputs.iter().enumerate() {
            let field = format!("graph.inputs.{}", input.name);
            let before = graph.inputs.iter().take(place);
            if input.name.is_empty()
                || before.into_iter().any(|other| other.name == input.name || other.view == input.view)
            {
                return Err(InferError::invalid(field, "is empty, or its name or view is there twice"));
            }
            if let Some(spec) = &input.input {
                spec.check().map_err(|e| InferError::invalid(field, e.to_string()))?;
            }
        }
        if graph.scores.is_empty() || graph.scores.iter().any(String::is_empty) {
            return bad("graph.scores", "names no output");
        }
        if let Some(label) = self.labels.iter().find(|label| match &label.output {
            Some(output) => !graph.scores.contains(output),
            None => graph.scores.len() > 1,
        }) {
            let field = format!("labels.{}", label.name);
            return Err(InferError::invalid(field, "needs the name of its score output"));
        }
        let place = |label: &Label| match &label.output {
            Some(output) => graph.scores.iter().position(|name| name == output),
            None => Some(0),
        };
        if !self.labels.iter().map(place).is_sorted() || self.labels_by_output().iter().any(|(_, n)| *n == 0)
        {
            return bad("labels", "do not follow the order of graph.scores, or an output has none");
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), InferError> {
        if self.labels.is_empty() || self.labels.len() > MAX_LABELS {
            return Err(InferError::invalid("labels", format!("are not between 1 and {MAX_LABELS}")));
        }
        for (index, label) in self.labels.iter().enumerate() {
            let field = format!("labels.{}", label.name);
            if label.name.trim().is_empty() || self.label_index(&label.name) != Some(index) {
                return Err(InferError::invalid(field, "is empty or there twice"));
            }
            let coded = match self.pathway {
                Pathway::Chest => label.code.is_some() && label.feature.is_none(),
                Pathway::Mammo => label.feature.is_some() && label.code.is_none(),
            };
            if label.offered && !coded {
                let needed = match self.pathway {
                    Pathway::Chest => "is offered and needs a code (and no feature)",
                    Pathway::Mammo => "is offered and needs a feature (and no code)",
                };
                return Err(InferError::invalid(field, needed));
            }
            let of_one_view = self.pathway == Pathway::Mammo && self.graph.inputs.is_empty();
            if label.side == Some(SideRule::Breast) && !of_one_view {
                return Err(InferError::invalid(field, "has side \"breast\", and no view of its own"));
            }
            if let Some(calibration) = &label.calibration {
                calibration.check().map_err(|problem| InferError::invalid(field, problem))?;
            }
        }
        if let Some(unknown) = self.overall.labels.iter().find(|l| self.label_index(l).is_none()) {
            return Err(InferError::invalid(
                "overall.labels",
                format!("names {unknown:?}, which is no label"),
            ));
        }
        let right_number = match self.overall.rule {
            OverallRule::Label | OverallRule::Complement => self.overall.labels.len() == 1,
            OverallRule::Maximum => !self.overall.labels.is_empty(),
        };
        if !right_number {
            return Err(InferError::invalid("overall.labels", "are one, or with \"maximum\" one or more"));
        }
        if let Some(calibration) = &self.overall.calibration {
            calibration.check().map_err(|problem| InferError::invalid("overall.calibration", problem))?;
        }
        Ok(())
    }

    fn check_points(&self) -> Result<(), InferError> {
        self.active_point()?;
        for point in &self.operating_points {
            let field = format!("operating_points.{}", point.name);
            if self.operating_points.iter().filter(|p| p.name == point.name).count() > 1 {
                return Err(InferError::invalid(field, "is there twice"));
            }
            if point.chosen_on.trim().is_empty() {
                return Err(InferError::invalid(field, "does not say what data chose it (chosen_on)"));
            }
            let thresholds = point.labels.values().chain([&point.overall]);
            if thresholds.into_iter().any(|t| !(0.0..=1.0).contains(t)) {
                return Err(InferError::invalid(field, "has a threshold that is not between 0 and 1"));
            }
            if let Some(unknown) = point.labels.keys().find(|l| self.label_index(l).is_none()) {
                return Err(InferError::invalid(field, format!("names {unknown:?}, which is no label")));
            }
            let without = |l: &&Label| l.offered && self.threshold_of(point, l).is_none();
            if let Some(label) = self.labels.iter().find(without) {
                return Err(InferError::invalid(field, format!("has no threshold for {:?}", label.name)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEST: &str = r#"
        name = "tiny"
        version = "1"
        pathway = "chest"
        file = "model.onnx"
        sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        card = "CARD.md"
        trained_on = "nothing"
        operating_point = "only"
        labels = [{ name = "abnormal", code = "abnormality" }, { name = "mass", code = "mass" }]
        overall = { rule = "label", labels = ["abnormal"] }
        graph = { input = "image", scores = "scores", activation = "probabilities", batch = { fixed = 1 } }
        operating_points = [{ name = "only", chosen_on = "a test", overall = 0.5, labels = { mass = 0.5 } }]
        [input]
        preprocessing = "tiny-v1"
        width = 8
        height = 8
        range = "unit"
        resize = "area"
        aspect = "stretch"
        windowing = "voi"
    "#;

    #[test]
    fn a_short_manifest_is_enough() {
        let manifest = Manifest::parse(CHEST).expect("a manifest");
        assert!(manifest.investigational, "investigational unless it says otherwise");
        let point = manifest.active_point().unwrap();
        assert_eq!(manifest.threshold_of(point, &manifest.labels[0]), Some(0.5));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_key() {
        let table: &[(&str, &str, &str)] = &[
            ("trained_on = \"nothing\"", "trained_onn = \"nothing\"", "trained_onn"),
            ("sha256 = \"01", "sha256 = \"XX", "sha256"),
            ("file = \"model.onnx\"", "file = \"../model.onnx\"", "file"),
            ("operating_point = \"only\"", "operating_point = \"other\"", "other"),
            ("name = \"mass\"", "name = \"abnormal\"", "twice"),
            ("code = \"mass\"", "feature = \"mass\"", "labels.mass"),
            ("labels = { mass = 0.5 }", "labels = {}", "mass"),
            ("labels = { mass = 0.5 }", "labels = { mass = 1.5 }", "threshold"),
            ("labels = { mass = 0.5 }", "labels = { mess = 0.5, mass = 0.5 }", "mess"),
            ("labels = [\"abnormal\"] }", "labels = [\"normal\"] }", "overall.labels"),
            ("fixed = 1", "fixed = 0", "graph.batch"),
            ("chosen_on = \"a test\"", "chosen_on = \"\"", "chosen_on"),
            ("width = 8", "width = 0", "input"),
            ("input = \"image\", ", "", "graph.input"),
            ("input = \"image\"", "inputs = [{ name = \"a\", view = \"RCC\" }]", "chest graph"),
            ("scores = \"scores\"", "scores = [\"a\", \"b\"]", "score output"),
            ("name = \"mass\"", "output = \"other\", name = \"mass\"", "score output"),
            ("pathway = \"chest\"", "pathway = \"chest\"\nrequired_views = [\"RCC\"]", "required_views"),
        ];
        for (from, to, named) in table {
            let text = CHEST.replace(from, to);
            assert_ne!(text, CHEST, "{from} is not in the text");
            let error = Manifest::parse(&text).expect_err(to).to_string();
            assert!(error.contains(named), "{to}: {error}");
        }
    }
}

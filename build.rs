//! Makes sure that `web/dist` is there, so that the program builds before `scripts/web.sh` has run (its pages are
//! then unstyled), and builds again when the assets change.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=templates");
    if let Err(error) = std::fs::create_dir_all("web/dist") {
        println!("cargo::warning=web/dist can't be made: {error}");
    }
}

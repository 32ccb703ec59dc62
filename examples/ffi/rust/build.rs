//! Where the library is: pkg-config knows.
use std::process::Command;

fn main() {
    let output = Command::new("pkg-config")
        .args(["--variable=libdir", "millpond"])
        .output()
        .expect("pkg-config is not there");
    assert!(output.status.success(), "pkg-config does not know millpond");
    println!("cargo:rustc-link-search=native={}", String::from_utf8_lossy(&output.stdout).trim());
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
}

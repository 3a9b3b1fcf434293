//! How the program reports mistakes: in one sentence, with the right exit code, and without changing any file. No chain is needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A user with an empty home, in an empty folder.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs `ionet` in the user's folder, without a terminal.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ionet"));
        for name in ["IONET_URL", "IONET_KEYPAIR", "IONET_BLOBS", "IONET_OUTPUT", "RUST_LOG"] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Asserts that a command fails with `code` and one sentence that has all of `words`, and leaves all files as they were.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let before = files(self.home.path());
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: something on standard output");
        assert_eq!(said.trim_end().lines().count(), 1, "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{arguments:?}: no '{word}' in: {said}");
        }
        // Not `assert_eq!`, which would print megabytes.
        assert!(files(self.home.path()) == before, "{arguments:?} changed files");
    }
}

/// All files below a folder, with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn package(name: &str) -> String {
    models().join(name).to_str().unwrap().to_owned()
}

/// Copies a package so that it can be spoilt.
fn copy_package(user: &User, name: &str) {
    for file in ["model.json", "tensors.safetensors"] {
        user.write(&format!("package/{file}"), fs::read(models().join(name).join(file)).unwrap());
    }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(width, height)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn images_that_cannot_be_used() {
    let user = User::new();
    let whole = png(40, 30);
    user.write("text.png", "hello");
    user.write("cut.png", &whole[..whole.len() / 2]);
    user.write("large.png", png(4000, 2000));
    user.write("huge.png", png(8000, 5000));
    let submit = |photo: &str| {
        let package = package("upscale");
        user.refused(
            &["job", "submit", "upscale", photo, "--package", &package, "--yes"],
            1,
            &[photo, if photo == "none.png" { "check the path" } else { ";" }],
        );
    };
    for photo in ["none.png", "text.png", "cut.png", "large.png"] {
        submit(photo);
    }
    user.refused(
        &["job", "submit", "upscale", "huge.png", "--package", &package("upscale")],
        1,
        &["8000×5000", "32000000", "shrink"],
    );
}

#[test]
fn an_output_in_the_way() {
    let user = User::new();
    user.write("a.png", png(8, 8));
    user.write("a-2x.png", "precious");
    user.refused(
        &["job", "submit", "upscale", "a.png", "--package", &package("upscale")],
        1,
        &["a-2x.png", "--force"],
    );
}

#[test]
fn an_output_that_cannot_be_written() {
    let user = User::new();
    user.write("a.png", png(8, 8));
    user.write("folder.png/kept", "precious");
    let refused = |output: &str, words: &[&str]| {
        let package = package("upscale");
        let arguments = ["job", "submit", "upscale", "a.png", "--package", &package, "--force", "-o", output];
        user.refused(&arguments, 1, &[&[output, "--out"], words].concat());
    };
    refused("a.jpg", &[".png"]);
    refused("a", &[".png"]);
    refused("folder.png", &["folder"]);
    refused("nowhere/a.png", &["No such file"]);
    refused("a.png/b.png", &["Not a directory"]);
}

#[test]
fn prompts_the_model_does_not_understand() {
    let user = User::new();
    for (prompt, named) in [("a red elephant", "elephant"), ("", "no word"), ("a circle square", "square")] {
        user.refused(
            &["job", "submit", "imagine", prompt, "--package", &package("imagine")],
            1,
            &[named, "circle"],
        );
    }
}

#[test]
fn packages_that_are_not_sound() {
    let user = User::new();
    user.refused(&["model", "publish", "nowhere"], 1, &["nowhere", "model.json"]);
    let spoil = |what: &str, with: &str| {
        copy_package(&user, "upscale");
        let text = fs::read_to_string(user.path("package/model.json")).unwrap();
        assert!(text.contains(what));
        user.write("package/model.json", text.replacen(what, with, 1));
    };
    let cases = [
        ("\"format\": 1", "\"format\": 9", "format 9"),
        ("[76, 76, 3]", "[76, 76, 4]", "head"),
        ("\"inputs\": [\"image\"]", "\"inputs\": [\"sum\"]", "cyclic"),
        ("\"head.weights\"", "\"lost.weights\"", "lost.weights"),
        ("\"license\"", "\"licence\"", "licence"),
    ];
    for (what, with, named) in cases {
        spoil(what, with);
        user.refused(&["model", "publish", "package"], 1, &[named]);
    }
    copy_package(&user, "upscale");
    user.write("package/tensors.safetensors", "broken");
    user.refused(&["model", "publish", "package"], 1, &["tensors.safetensors"]);
}

#[test]
fn nodes_that_do_not_answer() {
    let user = User::new();
    // Port 9 (discard) is refused at once on any sane machine.
    for command in [
        &["escrow", "show"][..],
        &["device", "list-models"],
        &["job", "list"],
        &["watch", "crank", "--once"],
    ] {
        let arguments = [command, &["--url", "http://127.0.0.1:9"]].concat();
        user.refused(&arguments, 5, &["http://127.0.0.1:9", "ionet localnet"]);
    }
    user.refused(&["escrow", "show", "--url", "mainet"], 2, &["mainet", "devnet"]);
}

#[test]
fn a_conviction_is_not_prepared_where_nobody_can_confirm_it() {
    let user = User::new();
    let job = "11111111111111111111111111111111";
    // The node, which does not answer, is not asked.
    user.refused(
        &["verify", job, "--convict", "--url", "http://127.0.0.1:9"],
        2,
        &["terminal", "--yes"],
    );
}

#[test]
fn keys_that_cannot_be_used() {
    let user = User::new();
    user.refused(&["wallet", "address"], 1, &["id.json", "ionet wallet new"]);
    user.write("bad.json", "[1, 2, 3]");
    user.refused(&["wallet", "address", "--keypair", "bad.json"], 1, &["bad.json", "64 bytes"]);
    let made = user.run(&["wallet", "new", "--keypair", "good.json"]);
    assert!(made.status.success());
    let shown = user.run(&["wallet", "address", "--keypair", "good.json"]);
    assert_eq!(made.stdout, shown.stdout);
    user.refused(&["wallet", "new", "--keypair", "good.json"], 1, &["good.json", "--outfile"]);
}

#[test]
fn a_config_file_with_an_unknown_key() {
    let user = User::new();
    user.write(".config/ionet/config.toml", "urll = \"devnet\"\n");
    user.refused(&["job", "list"], 1, &["config.toml", "urll", "remove"]);
    user.refused(&["config", "get"], 1, &["config.toml", "urll"]);
}

#[test]
fn settings_are_kept() {
    let user = User::new();
    let set = user.run(&["config", "set", "url", "devnet"]);
    assert!(set.status.success());
    user.refused(&["config", "set", "url", "mainet"], 2, &["mainet"]);
    user.refused(&["config", "set", "output", "xml"], 1, &["xml", "json"]);
    user.refused(&["config", "set", "keypair", "none.json"], 1, &["none.json"]);
    let unset = user.run(&["config", "get", "keypair"]);
    assert!(String::from_utf8(unset.stdout).unwrap().starts_with("keypair is not set in"));
    let get = user.run(&["config", "get", "--output", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&get.stdout).unwrap();
    assert_eq!(shown, serde_json::json!({ "url": "devnet" }));
}

#[test]
fn paths_are_kept_as_absolute_ones() {
    let user = User::new();
    let made = user.run(&["wallet", "new", "--keypair", "good.json"]);
    for (key, value) in [("keypair", "good.json"), ("models", "packages"), ("blobs", "store")] {
        assert!(user.run(&["config", "set", key, value]).status.success(), "{key}");
    }
    let elsewhere = user.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let there = |arguments: &[&str]| user.command(arguments).current_dir(&elsewhere).output().unwrap();
    assert_eq!(there(&["wallet", "address"]).stdout, made.stdout);
    let shown: serde_json::Value = serde_json::from_slice(&there(&["config", "get", "--output", "json"]).stdout).unwrap();
    // The system's name of the folder may go through links.
    let home = Path::new(shown["keypair"].as_str().unwrap()).parent().unwrap();
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let expected = serde_json::json!({ "keypair": path("good.json"), "models": path("packages"), "blobs": path("store") });
    assert_eq!(shown, expected);
    let url = "http://127.0.0.1:1/blobs";
    let set = there(&["config", "set", "blobs", url]);
    assert!(String::from_utf8(set.stdout).unwrap().contains(url), "a URL is kept unchanged");
}

#[test]
fn keys_in_urls_are_not_shown() {
    let user = User::new();
    for (url, arguments) in [
        ("https://rpc.example/?api-key=SECRET", &["--help"][..]),
        ("rpc.example/?api-key=SECRET", &["wallet", "balance"]),
    ] {
        let mut command = user.command(arguments);
        let output = command.env("IONET_URL", url).env("IONET_BLOBS", url).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("cluster") || said.contains("Cluster"), "{said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
}

#[test]
fn errors_are_json_when_asked_for() {
    let user = User::new();
    let output = user.run(&["wallet", "address", "--output", "json"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["code"], 1);
    assert!(error["error"].as_str().unwrap().contains("id.json"));
}

#[test]
fn invalid_addresses() {
    let user = User::new();
    for address in ["x", "0OIl", "11111111111111111111111111111111111111111111111111"] {
        for command in [&["job", "show"][..], &["wallet", "balance"], &["stake", "show", "--device"]] {
            let output = user.run(&[command, &[address]].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(
                said.contains("not a valid address") && said.contains(&format!("'{address}'")) && said.contains("`list`"),
                "{said}"
            );
        }
    }
}

#[test]
fn wrong_usage_is_json_when_asked_for() {
    let user = User::new();
    for arguments in [
        &["--output", "json", "job", "show", "x"][..],
        &["nothing", "--output=json"],
        &["job", "extend", "--output", "json"],
    ] {
        let output = user.run(arguments);
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &error["code"]), (Some(2), &2.into()), "{arguments:?}");
        let sentence = error["error"].as_str().unwrap();
        assert!(!sentence.starts_with("error") && !sentence.contains('\n'), "{sentence}");
    }
    // Where a person gets the help.
    user.write(".config/ionet/config.toml", "output = \"json\"\n");
    for arguments in [&[][..], &["job"]] {
        let output = user.run(arguments);
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &error["code"]), (Some(2), &2.into()), "{arguments:?}");
        assert!(error["error"].as_str().unwrap().contains("no command"), "{error}");
    }
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    let user = User::new();
    for arguments in [
        &["job", "submit"][..],
        &["stake", "add", "-5"],
        &["stake", "add", "1.x"],
        &["job", "extend", "x", "1h"],
        &["nothing"],
    ] {
        assert_eq!(user.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let help = user.run(&["--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("Exit codes"));
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_fails() {
    let user = User::new();
    let refused = |arguments: &[&str]| {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = user.command(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("the answer could not be written"), "{said}");
        said
    };
    refused(&["config", "get"]);
    let error: serde_json::Value = serde_json::from_str(&refused(&["--output", "json", "config", "get"])).unwrap();
    assert_eq!(error["code"], 1);
    assert!(error["answer"].is_object(), "what was done can still be read: {error}");
}

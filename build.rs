//! Compiles `proto/` with protox, so that a build needs no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files =
        protox::compile(["event.proto", "hparams.proto", "plugins.proto", "sharing.proto"], ["proto"])?;
    // Ordered maps: the same values give the same bytes.
    prost_build::Config::new().btree_map(["."]).compile_fds(files)?;
    Ok(())
}

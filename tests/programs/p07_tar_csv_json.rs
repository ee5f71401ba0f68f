//! Program 7 of the API page: tar, csv into_inner, serde_json; anyhow.

use oss_append::Bucket;

pub(crate) fn main() -> anyhow::Result<()> {
    let bucket = Bucket::from_env()?;
    let mut tar = tar::Builder::new(bucket.appender("a.tar").create_new()?);
    tar.append_path("Cargo.toml")?;
    tar.into_inner()?.finish()?;

    let mut csv = csv::Writer::from_writer(bucket.appender("a.csv").whole_lines(true).open()?);
    csv.write_record(["a", "b"])?;
    csv.into_inner()?.finish()?; // csv::IntoInnerError<Writer<Appender>> into anyhow: Appender is 'static

    let mut json = bucket.appender("a.jsonl").open()?;
    serde_json::to_writer(&mut json, &[1, 2, 3])?;
    json.finish()?;
    Ok(())
}

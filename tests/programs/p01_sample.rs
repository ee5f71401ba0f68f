//! Program 1 of the API page: oss2's documentation sample.

use oss_append::{Auth, Bucket};

pub(crate) fn main() -> oss_append::Result<()> {
    let auth = Auth::new("<id>", "<secret>");
    let bucket = Bucket::new(auth, "https://oss-cn-hangzhou.aliyuncs.com", "<bucket>")?;
    let result = bucket.append_object("exampledir/exampleobject.txt", 0, "content of first append")?;
    // oss2, literally:
    let result =
        bucket.append_object("exampledir/exampleobject.txt", result.next_position, "content of second append")?;
    // the same, verified and settled:
    let result = bucket.append_object("exampledir/exampleobject.txt", &result, "content of third append")?;
    println!("{} {:?} {:?}", result.next_position, result.crc64, result.request_id);
    // oss2: position from head_object
    let meta = bucket.head_object("exampledir/exampleobject.txt")?;
    bucket.append_object("exampledir/exampleobject.txt", meta.length, b"fourth")?;
    Ok(())
}

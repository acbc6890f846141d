use std::io;

use super::*;

fn blobs(folder: &Path, disk: Arc<dyn Disk>) -> Blobs {
    Blobs::open(&folder.join("blobs"), 1_000, disk).unwrap()
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Takes `room` bytes and then fails.
struct Failing {
    room: std::sync::atomic::AtomicUsize,
    with: io::ErrorKind,
    sync_too: bool,
}

impl Disk for Failing {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        let left = self.room.load(SeqCst);
        if left < bytes.len() {
            return Err(self.with.into());
        }
        self.room.store(left - bytes.len(), SeqCst);
        RealDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.sync_too { Err(self.with.into()) } else { RealDisk.sync(file) }
    }
}

#[tokio::test]
async fn a_blob_is_kept_under_its_digest_and_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = blobs(folder.path(), Arc::new(RealDisk));
    let blob = blobs.put(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(blob.size, 5);
    assert_eq!(blobs.read(blob.sha256, 5).unwrap(), b"hello");
    assert!(matches!(blobs.read(blob.sha256, 4), Err(BlobError::BlobTooLarge { .. })));
    assert_eq!(files_in(&folder.path().join("blobs/incoming")), 0);
    blobs.put(Bytes::from_static(b"hello")).await.unwrap();
}

#[tokio::test]
async fn blob_hash_mismatch_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = blobs(folder.path(), Arc::new(RealDisk));
    let mut upload = blobs.begin(crate::crypto::sha256(b"hello"));
    upload.chunk(Bytes::from_static(b"hullo")).await;
    assert!(matches!(upload.finish().await, Err(BlobError::BlobHashMismatch)));
    assert_eq!(files_in(&folder.path().join("blobs")), 1, "only incoming/");
    assert_eq!(files_in(&folder.path().join("blobs/incoming")), 0);
    let missing = blobs.open_blob(crate::crypto::sha256(b"hello")).err();
    assert!(matches!(missing, Some(BlobError::BlobMissing(_))));
}

#[tokio::test]
async fn blob_too_large_stops_the_upload_at_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = blobs(folder.path(), Arc::new(RealDisk));
    let mut upload = blobs.begin(Digest([0; 32]));
    while upload.chunk(Bytes::from_static(&[0; 400])).await {}
    assert!(matches!(upload.finish().await, Err(BlobError::BlobTooLarge { size_max: 1_000 })));
    assert_eq!(files_in(&folder.path().join("blobs/incoming")), 0);
}

#[tokio::test]
async fn blob_disk_full_keeps_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Failing { room: 4.into(), with: io::ErrorKind::StorageFull, sync_too: false };
    let blobs = blobs(folder.path(), Arc::new(disk));
    let refused = blobs.put(Bytes::from_static(b"hello")).await;
    assert!(matches!(refused, Err(BlobError::BlobDiskFull)));
    assert_eq!(files_in(&folder.path().join("blobs/incoming")), 0);
}

#[tokio::test]
async fn blob_disk_failure_at_the_sync_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Failing { room: 100.into(), with: io::ErrorKind::Other, sync_too: true };
    let blobs = blobs(folder.path(), Arc::new(disk));
    let refused = blobs.put(Bytes::from_static(b"hello")).await;
    assert!(matches!(refused, Err(BlobError::BlobDisk(_))));
    assert!(blobs.open_blob(crate::crypto::sha256(b"hello")).is_err());
}

#[tokio::test]
async fn blob_interrupted_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = blobs(folder.path(), Arc::new(RealDisk));
    let mut upload = blobs.begin(crate::crypto::sha256(b"hello"));
    upload.chunk(Bytes::from_static(b"hel")).await;
    assert!(matches!(upload.abandon(), BlobError::UploadInterrupted));
    assert_eq!(files_in(&folder.path().join("blobs/incoming")), 0);
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let incoming = folder.path().join("blobs/incoming");
    fs::create_dir_all(&incoming).unwrap();
    fs::write(incoming.join("0011"), b"half").unwrap();
    blobs(folder.path(), Arc::new(RealDisk));
    assert_eq!(files_in(&incoming), 0);
}

#[test]
fn blob_folder_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blobs"), b"a file").unwrap();
    let refused = Blobs::open(&folder.path().join("blobs"), 1, Arc::new(RealDisk)).err();
    assert!(matches!(refused, Some(BlobError::BlobFolder { .. })));
}

#[tokio::test]
async fn a_blob_that_is_arriving_or_not_noted_yet_is_not_collected() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = blobs(folder.path(), Arc::new(RealDisk));
    let kept = blobs.put(Bytes::from_static(b"hello")).await.unwrap();
    let sha256 = kept.sha256;
    let collect = |unnoted| blobs.collect(sha256, || Ok::<_, BlobError>(unnoted)).unwrap();
    assert!(!collect(true));
    let again = blobs.begin(sha256);
    drop(kept);
    assert!(!collect(true));
    drop(again);
    assert!(!collect(false), "a catalog notes it");
    assert!(collect(true));
    assert!(matches!(blobs.open_blob(sha256), Err(BlobError::BlobMissing(_))));
    assert!(collect(true), "twice does no harm");
}

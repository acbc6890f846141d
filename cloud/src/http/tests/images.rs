use craton_api::operator::{Blob, Delta, Image, ImageList, Symbols, SymbolsList};
use serde_json::json;

use crate::crypto::sha256;
use crate::testing::*;

#[tokio::test]
async fn a_blob_comes_back_whole_or_in_one_range() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let digest = bench.put_blob(id, &bytes).await;
    let path = format!("/v1/catalogs/{id}/blobs/{digest}");
    let again = bench.ask_as(&bench.token, "PUT", &path, Some((OCTETS, bytes.clone()))).await;
    assert_eq!(again.status, 200, "known");
    assert_eq!(again.json::<Blob>().size, 200_000);
    assert_eq!(bench.get(&path).await.body, bytes);
    let head = bench.ask_as(&bench.token, "HEAD", &path, None).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], "200000");
    let range = async |range: &str| {
        let request = axum::http::Request::get(&path)
            .header("authorization", format!("Bearer {}", bench.token))
            .header("range", range);
        bench.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let part = range("bytes=150000-").await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &bytes[150_000..]));
    assert_eq!(part.headers["content-range"], "bytes 150000-199999/200000");
    let part = range("bytes=10-19").await;
    assert_eq!(part.body, bytes[10..20]);
    let beyond = range("bytes=200000-").await;
    assert_eq!((beyond.status.as_u16(), beyond.code()), (416, 4310), "RangeInvalid");
    let backwards = range("bytes=20-10").await;
    assert_eq!(backwards.code(), 4310);
    assert_eq!(range("bytes=0-18446744073709551615").await.body.len(), 200_000);
}

#[tokio::test]
async fn blob_refusals_reach_the_caller_with_their_numbers() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let put = async |digest: craton_api::operator::Digest, bytes: Vec<u8>| {
        let path = format!("/v1/catalogs/{id}/blobs/{digest}");
        bench.ask_as(&bench.token, "PUT", &path, Some((OCTETS, bytes))).await
    };
    assert_eq!(put(sha256(b"a"), b"b".to_vec()).await.code(), 4051, "BlobHashMismatch");
    let large = put(sha256(b"a"), vec![0; (1 << 20) + 1]).await;
    assert_eq!((large.status.as_u16(), large.code()), (413, 4052), "BlobTooLarge");
    let missing = bench.get(&format!("/v1/catalogs/{id}/blobs/{}", sha256(b"a"))).await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, 4056), "BlobMissing");
}

#[tokio::test]
async fn a_blob_of_another_catalog_is_missing() {
    let bench = Bench::new().await;
    let (one, other) = (bench.catalog(true).await, bench.catalog(false).await);
    let digest = bench.put_blob(one, b"secret").await;
    let missing = bench.get(&format!("/v1/catalogs/{other}/blobs/{digest}")).await;
    assert_eq!(missing.code(), 4056);
}

#[tokio::test]
async fn an_image_is_registered_once_its_payload_is_there() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let images = format!("/v1/catalogs/{id}/images");
    let package = package("1.0", &[PUBLISHER]);
    let early = bench.bring("POST", &images, &package.envelope).await;
    assert_eq!(early.code(), 4159, "BlobUnknown");
    bench.put_blob(id, &package.payload).await;
    let made = bench.bring("POST", &images, &package.envelope).await;
    assert_eq!(made.status, 201);
    let image: Image = made.json();
    assert_eq!((image.id, image.version.as_str()), (package.image, "1.0"));
    assert_eq!(image.envelope, sha256(&package.envelope));
    assert_eq!(bench.bring("POST", &images, &package.envelope).await.status, 200, "known");
    let list: ImageList =
        bench.get(&format!("{images}?component={}", image.component)).await.json();
    assert_eq!(list.items, std::slice::from_ref(&image));
    let list: ImageList = bench.get(&format!("{images}?component={}", "0".repeat(32))).await.json();
    assert!(list.items.is_empty());
    let shown: Image = bench.get(&format!("{images}/{}", image.id)).await.json();
    assert_eq!(shown, image);
    let envelope = bench.get(&format!("/v1/catalogs/{id}/blobs/{}", image.envelope)).await;
    assert_eq!(envelope.body, package.envelope);
    let unknown = bench.get(&format!("{images}/{}", "0".repeat(64))).await;
    assert_eq!(unknown.code(), 4161, "ImageUnknown");
}

#[tokio::test]
async fn an_image_of_an_unknown_signer_or_with_any_flipped_bit_is_refused() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let images = format!("/v1/catalogs/{id}/images");
    let good = package("1.0", &[PUBLISHER]);
    bench.put_blob(id, &good.payload).await;
    let stranger = package("1.0", &[APPROVER]);
    let refused = bench.bring("POST", &images, &stranger.envelope).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, 1103), "SignerUnknown");
    for byte in 0..good.envelope.len() {
        let mut bad = good.envelope.clone();
        bad[byte] ^= 1 << (byte % 8);
        let refused = bench.bring("POST", &images, &bad).await;
        assert_eq!(refused.status, 422, "byte {byte}");
    }
    let list: ImageList = bench.get(&images).await.json();
    assert!(list.items.is_empty(), "nothing was kept");
}

#[tokio::test]
async fn blob_size_mismatch_refuses_a_payload_of_another_length() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let package = package("1.0", &[PUBLISHER]);
    let digest = bench.put_blob(id, &package.payload).await;
    bench.app.store.write(move |db| db.blob_size_set_for_test(digest, 1)).await.unwrap();
    let images = format!("/v1/catalogs/{id}/images");
    let refused = bench.bring("POST", &images, &package.envelope).await;
    assert_eq!(refused.code(), 4160, "BlobSizeMismatch");
}

#[tokio::test]
async fn a_delta_is_noted_with_the_size_of_its_blob() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let deltas = format!("/v1/catalogs/{id}/deltas");
    let (to, blob) = (sha256(b"new"), sha256(b"delta"));
    let delta = json!({"from_payload": sha256(b"old"), "to_payload": to, "blob": blob});
    assert_eq!(bench.post(&deltas, &delta).await.code(), 4159, "BlobUnknown");
    bench.put_blob(id, b"new").await;
    bench.put_blob(id, b"delta").await;
    assert_eq!(bench.post(&deltas, &delta).await.json::<Delta>().size, 5);
    let list: craton_api::operator::DeltaList = bench.get(&deltas).await.json();
    assert_eq!(list.items.len(), 1);
}

#[tokio::test]
async fn symbols_are_kept_under_the_build_id_that_is_in_them() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let elf = elf_with_build_id(&[0xab; 20]);
    let put = async |build_id: &str, bytes: &[u8]| {
        let path = format!("/v1/catalogs/{id}/symbols/{build_id}");
        bench.ask_as(&bench.token, "PUT", &path, Some((OCTETS, bytes.to_vec()))).await
    };
    assert_eq!(put(&"cd".repeat(20), &elf).await.code(), 4176, "SymbolsMismatch");
    assert_eq!(put(&"ab".repeat(20), b"no elf").await.code(), 4175, "SymbolsFileUnreadable");
    let symbols: Symbols = put(&"ab".repeat(20), &elf).await.json();
    assert_eq!(symbols.size, elf.len() as u64);
    let list: SymbolsList = bench.get(&format!("/v1/catalogs/{id}/symbols")).await.json();
    assert_eq!(list.items, std::slice::from_ref(&symbols));
    let kept = crate::app::images::symbols_of(&bench.app, id, &symbols.build_id).unwrap();
    assert_eq!(kept.unwrap(), elf);
}

/// The smallest ELF file that has a GNU build id: a header, one note, and its section table.
fn elf_with_build_id(id: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    note.extend_from_slice(&4u32.to_le_bytes());
    note.extend_from_slice(&(id.len() as u32).to_le_bytes());
    note.extend_from_slice(&3u32.to_le_bytes());
    note.extend_from_slice(b"GNU\0");
    note.extend_from_slice(id);
    let names = b"\0.note.gnu.build-id\0.shstrtab\0";
    let (note_at, names_at) = (64u64, 64 + note.len() as u64);
    let table_at = names_at + names.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [1u16, 62] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    elf.extend_from_slice(&1u32.to_le_bytes());
    for word in [0, 0, table_at] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    elf.extend_from_slice(&0u32.to_le_bytes());
    for half in [64u16, 0, 0, 64, 3, 2] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    elf.extend_from_slice(&note);
    elf.extend_from_slice(names);
    let mut section = |name: u32, kind: u32, at: u64, size: usize| {
        elf.extend_from_slice(&name.to_le_bytes());
        elf.extend_from_slice(&kind.to_le_bytes());
        for word in [0, 0, at, size as u64] {
            elf.extend_from_slice(&word.to_le_bytes());
        }
        elf.extend_from_slice(&[0; 8]);
        for word in [1u64, 0] {
            elf.extend_from_slice(&word.to_le_bytes());
        }
    };
    section(0, 0, 0, 0);
    section(1, 7, note_at, note.len());
    section(20, 3, names_at, names.len());
    elf
}

//! What a person or a token may ask of the service: every JSON body that it reads.
#![no_main]

use craton_api::operator as ask;
use serde::Deserialize;

fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) {
    let _refusal = serde_json::from_slice::<T>(bytes);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    read::<ask::CatalogCreate>(bytes);
    read::<ask::ProductCreate>(bytes);
    read::<ask::DeviceGroupCreate>(bytes);
    read::<ask::DeviceGroupChange>(bytes);
    read::<ask::DeviceClaim>(bytes);
    read::<ask::DeviceChange>(bytes);
    read::<ask::DeploymentCreate>(bytes);
    read::<ask::PauseRequest>(bytes);
    read::<ask::ImageSetSigned>(bytes);
    read::<ask::TokenCreate>(bytes);
});

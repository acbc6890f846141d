//! What a device says to the service: a check-in and its request, failure reports, an event log.
#![no_main]

use craton_api::device::{BootLog, CheckIn, Reports, Request, is_boot_log_wanted};
use craton_trust::failure::Failure;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(check_in) = CheckIn::parse(bytes) {
        assert_eq!(check_in.encode().expect("within its bounds"), bytes);
        let _refusal = Request::parse(check_in.request);
    }
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.encode().expect("within its bounds"), bytes);
    }
    if let Ok(log) = BootLog::parse(bytes) {
        assert_eq!(log.encode().expect("within its bounds"), bytes);
    }
    let _wanted = is_boot_log_wanted(bytes);
    if let Ok(reports) = Reports::parse(bytes) {
        assert_eq!(reports.encode().expect("within its bounds"), bytes);
        for record in reports.0 {
            let _refusal = Failure::parse(record);
        }
    }
});

//! Every operation of the operator API, and the verb of the command line that asks for it.
//!
//! A request is made from this table alone, so the compiler sees an operation that no verb uses,
//! and a test compares the table with the service's OpenAPI document.

use hyper::Method;

macro_rules! operations {
    ($($name:ident = $method:ident $path:literal by $verb:literal;)*) => {
        /// One operation of the operator API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $(#[doc = $verb] $name,)*
        }

        impl Operation {
            /// Its HTTP method.
            #[must_use]
            pub const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method,)* }
            }

            /// Its path, with names in braces.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }

        #[cfg(test)]
        const TABLE: &[(Method, &str, &str)] = &[$((Method::$method, $path, $verb),)*];
    };
}

operations! {
    ServiceHealth = GET "/healthz" by "service health";
    ServiceMetrics = GET "/metrics" by "service metrics";
    ServiceDocument = GET "/openapi.json" by "service openapi";
    ServiceShow = GET "/v1/service" by "service show";
    TokenShow = GET "/v1/token" by "token show";
    TokenList = GET "/v1/catalogs/{catalog}/tokens" by "token list";
    TokenCreate = POST "/v1/catalogs/{catalog}/tokens" by "token create";
    TokenRevoke = DELETE "/v1/catalogs/{catalog}/tokens/{token}" by "token revoke";
    CatalogList = GET "/v1/catalogs" by "catalog list";
    CatalogCreate = POST "/v1/catalogs" by "catalog create";
    CatalogShow = GET "/v1/catalogs/{catalog}" by "catalog show";
    TrustStoreShow = GET "/v1/catalogs/{catalog}/trust-store" by "trust-store show";
    TrustStoreFetch = GET "/v1/catalogs/{catalog}/trust-store/{section}/{version}" by "catalog use";
    TrustStoreSucceed = PUT "/v1/catalogs/{catalog}/trust-store/{section}"
        by "trust-store submit";
    ProductList = GET "/v1/catalogs/{catalog}/products" by "product list";
    ProductCreate = POST "/v1/catalogs/{catalog}/products" by "product create";
    ProductShow = GET "/v1/catalogs/{catalog}/products/{product}" by "product show";
    ProductDelete = DELETE "/v1/catalogs/{catalog}/products/{product}" by "product delete";
    GroupList = GET "/v1/catalogs/{catalog}/products/{product}/device-groups"
        by "device-group list";
    GroupCreate = POST "/v1/catalogs/{catalog}/products/{product}/device-groups"
        by "device-group create";
    GroupShow = GET "/v1/catalogs/{catalog}/products/{product}/device-groups/{group}"
        by "device-group show";
    GroupChange = PATCH "/v1/catalogs/{catalog}/products/{product}/device-groups/{group}"
        by "device-group change";
    GroupDelete = DELETE "/v1/catalogs/{catalog}/products/{product}/device-groups/{group}"
        by "device-group delete";
    BlobPut = PUT "/v1/catalogs/{catalog}/blobs/{sha256}" by "image upload";
    BlobFetch = GET "/v1/catalogs/{catalog}/blobs/{sha256}" by "image download";
    ImageList = GET "/v1/catalogs/{catalog}/images" by "image list";
    ImageRegister = POST "/v1/catalogs/{catalog}/images" by "image upload";
    ImageShow = GET "/v1/catalogs/{catalog}/images/{image}" by "image show";
    DeltaList = GET "/v1/catalogs/{catalog}/deltas" by "delta list";
    DeltaPut = POST "/v1/catalogs/{catalog}/deltas" by "delta create";
    SymbolsList = GET "/v1/catalogs/{catalog}/symbols" by "symbols list";
    SymbolsPut = PUT "/v1/catalogs/{catalog}/symbols/{build_id}" by "symbols upload";
    SetList = GET "/v1/catalogs/{catalog}/image-sets" by "image-set list";
    SetUpload = POST "/v1/catalogs/{catalog}/image-sets" by "image-set create";
    SetShow = GET "/v1/catalogs/{catalog}/image-sets/{image_set}" by "image-set show";
    SetSigned = GET "/v1/catalogs/{catalog}/image-sets/{image_set}/signed" by "image-set approve";
    SetApprove = PUT "/v1/catalogs/{catalog}/image-sets/{image_set}/approval"
        by "image-set approve";
    SetAdmit = PUT "/v1/catalogs/{catalog}/image-sets/{image_set}/admission" by "image-set admit";
    DeploymentList = GET "/v1/catalogs/{catalog}/deployments" by "deployment list";
    DeploymentStart = POST "/v1/catalogs/{catalog}/deployments" by "deployment create";
    DeploymentShow = GET "/v1/catalogs/{catalog}/deployments/{deployment}" by "deployment show";
    DeploymentPause = POST "/v1/catalogs/{catalog}/deployments/{deployment}/pause"
        by "deployment pause";
    DeploymentResume = POST "/v1/catalogs/{catalog}/deployments/{deployment}/resume"
        by "deployment resume";
    DeploymentAdvance = POST "/v1/catalogs/{catalog}/deployments/{deployment}/advance"
        by "deployment advance";
    DeploymentRevert = POST "/v1/catalogs/{catalog}/deployments/{deployment}/revert"
        by "deployment revert";
    DeviceList = GET "/v1/catalogs/{catalog}/devices" by "device list";
    DeviceClaim = POST "/v1/catalogs/{catalog}/devices" by "device claim";
    LotClaim = POST "/v1/catalogs/{catalog}/lots" by "device claim";
    DeviceShow = GET "/v1/catalogs/{catalog}/devices/{device}" by "device show";
    DeviceChange = PATCH "/v1/catalogs/{catalog}/devices/{device}" by "device move";
    DeviceRetire = DELETE "/v1/catalogs/{catalog}/devices/{device}" by "device retire";
    DeviceClearCloned = DELETE "/v1/catalogs/{catalog}/devices/{device}/cloned"
        by "device clear-cloned";
    DeviceBootShow = GET "/v1/catalogs/{catalog}/devices/{device}/boot" by "device boot";
    DeviceBootLog = GET "/v1/catalogs/{catalog}/devices/{device}/boot/log" by "device boot";
    DeviceBootAccept = PUT "/v1/catalogs/{catalog}/devices/{device}/boot/baseline"
        by "device accept-boot";
    CapabilityList = GET "/v1/catalogs/{catalog}/devices/{device}/capabilities"
        by "device capability list";
    CapabilityBring = POST "/v1/catalogs/{catalog}/devices/{device}/capabilities"
        by "device capability request";
    CapabilitySigned =
        GET "/v1/catalogs/{catalog}/devices/{device}/capabilities/{capability}/signed"
        by "device capability request";
    CapabilityApprove =
        PUT "/v1/catalogs/{catalog}/devices/{device}/capabilities/{capability}/approval"
        by "device capability approve";
    FailureList = GET "/v1/catalogs/{catalog}/failures" by "failure list";
    FailureGroups = GET "/v1/catalogs/{catalog}/failures/groups" by "failure groups";
    FailureGroup = GET "/v1/catalogs/{catalog}/failures/groups/{fingerprint}" by "failure show";
    Checkpoint = GET "/v1/catalogs/{catalog}/audit/checkpoint" by "audit checkpoint";
    Cosign = PUT "/v1/catalogs/{catalog}/audit/checkpoint/{size}/cosignature" by "audit verify";
    Leaves = GET "/v1/catalogs/{catalog}/audit/entries" by "audit leaves";
    Inclusion = GET "/v1/catalogs/{catalog}/audit/inclusion" by "audit verify";
    Consistency = GET "/v1/catalogs/{catalog}/audit/consistency" by "audit verify";
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_of_the_service_has_a_verb_and_none_is_invented() {
        let document: serde_json::Value =
            serde_json::from_str(&craton_cloud::http::openapi_json()).unwrap();
        let mut served = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                served.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let asked = TABLE.iter().map(|(method, path, _)| format!("{method} {path}"));
        assert_eq!(asked.collect::<BTreeSet<_>>(), served);
    }

    #[test]
    fn the_words_of_the_command_line_do_not_contradict_each_other() {
        crate::args::Arguments::command().debug_assert();
    }

    #[test]
    fn every_verb_of_the_table_is_a_command() {
        for (_, path, verb) in TABLE {
            let mut command = crate::args::Arguments::command();
            for word in verb.split(' ') {
                let found = command.find_subcommand(word);
                command = found.unwrap_or_else(|| panic!("no `{verb}` for {path}")).clone();
            }
        }
    }
}

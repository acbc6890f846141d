//! What a sandboxed app can do, and every way out of it that we know of, tried.

mod sandbox_app;

use sandbox_app::App;

#[test]
fn an_app_runs_and_its_exit_code_is_reported() {
    let app = App::new().run(&["exit", "7"]);
    assert_eq!(app.ended.code, Some(7));
}

fn main() {
    autocfg::new().emit_has_path("std::sync::OnceLock");
}

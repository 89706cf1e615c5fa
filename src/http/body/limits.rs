//! How much of one body Django reads, with its settings as they come (`django/conf/global_settings.py`).

/// Bytes of a JSON or form body, and of the fields of a multipart one (`DATA_UPLOAD_MAX_MEMORY_SIZE`).
pub(super) const BYTES: usize = 2_621_440;

/// Fields of a form (`DATA_UPLOAD_MAX_NUMBER_FIELDS`).
pub(super) const FIELDS: usize = 1000;

/// Files of a form (`DATA_UPLOAD_MAX_NUMBER_FILES`).
pub(super) const FILES: usize = 100;

//! The built program, run as people and scripts run it.

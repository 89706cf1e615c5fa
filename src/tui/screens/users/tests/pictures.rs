//! The screen as it is drawn: at the sizes of the design, at every other size, and in ASCII.

use super::*;

#[test]
fn pictures_at_the_sizes_of_the_design() {
    for (width, height) in [(100, 30), (80, 24), (60, 20), (40, 12), (29, 7)] {
        let mut model = loaded(width, height, prod());
        press(&mut model, "j Space k");
        insta::assert_snapshot!(format!("users_{width}x{height}"), screen(&model));
    }
}

#[test]
fn pictures_of_details_help_commands_and_typed_confirmation() {
    let mut model = loaded(60, 20, prod());
    press(&mut model, "Enter");
    insta::assert_snapshot!("details_60x20", screen(&model));
    let mut model = loaded(80, 24, dev());
    press(&mut model, "?");
    insta::assert_snapshot!("help_80x24", screen(&model));
    press(&mut model, "Esc : re");
    insta::assert_snapshot!("commands_80x24", screen(&model));
    let mut model = loaded(60, 20, prod());
    press(&mut model, "Space Space D pro");
    insta::assert_snapshot!("typed_60x20", screen(&model));
}

#[test]
fn every_size_can_be_drawn_with_every_dialog() {
    // About every edge of the layout, and where nothing fits.
    const SIZES: [(u16, u16); 12] = [
        (0, 0),
        (1, 1),
        (29, 8),
        (30, 8),
        (31, 9),
        (45, 10),
        (59, 20),
        (79, 9),
        (80, 24),
        (99, 12),
        (100, 30),
        (130, 40),
    ];
    let openers = [
        "",
        "Enter",
        "R",
        "a",
        "c",
        "s",
        "e",
        "p",
        "?",
        ":",
        "P x",
        "Space Space D",
        "/ x",
        "w l l",
    ];
    for keys in openers {
        let mut model = loaded(100, 30, prod());
        press(&mut model, keys);
        for (width, height) in SIZES {
            let size = ratatui::layout::Size::new(width, height);
            send(&mut model, Top::Resized(size));
            screen(&model);
        }
    }
}

#[test]
fn ascii_terminals_get_no_other_glyph_of_ours() {
    let mut model = loaded(100, 30, prod());
    model
        .users
        .window
        .replace(page(vec![row(1, "bob", "62b46a15")]), Land::First, 24);
    model.cx.look.glyphs = crate::tui::look::Glyphs::Ascii;
    for keys in ["", "Space", "R", "?"] {
        press(&mut model, keys);
        assert!(screen(&model).is_ascii(), "{}", screen(&model));
    }
}

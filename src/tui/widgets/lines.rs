//! Lines of text from the top of an area down; what does not fit is not drawn.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Draws them.
pub fn draw(lines: Vec<Line>, frame: &mut Frame, area: Rect) {
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        let height = 1;
        frame.render_widget(line, Rect { y, height, ..area });
    }
}

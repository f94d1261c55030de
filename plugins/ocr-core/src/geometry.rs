//! Points, quadrilaterals and the smallest rectangle around a set of points.

use std::cmp::Ordering;

/// A place in a picture, in pixels from the centre of the top left pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    pub(crate) fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    pub(crate) fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    fn offset(self, direction: Self, length: f32) -> Self {
        Self::new(self.x + direction.x * length, self.y + direction.y * length)
    }

    fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    fn perpendicular(self) -> Self {
        Self::new(-self.y, self.x)
    }
}

/// Four corners of a line of text: top left, top right, bottom right, bottom left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quad(pub [Point; 4]);

impl Quad {
    /// Orders any four corners of a convex quadrilateral: of the two on the left, the upper one is the top left.
    pub(crate) fn from_corners(mut corners: [Point; 4]) -> Self {
        corners.sort_by(|a, b| ascending(a.x, b.x));
        let [a, b, c, d] = corners;
        let (top_left, bottom_left) = if a.y <= b.y { (a, b) } else { (b, a) };
        let (top_right, bottom_right) = if c.y <= d.y { (c, d) } else { (d, c) };
        Self([top_left, top_right, bottom_right, bottom_left])
    }

    /// The longer of the top and bottom edges.
    pub(crate) fn width(&self) -> f32 {
        let [a, b, c, d] = self.0;
        a.distance(b).max(c.distance(d))
    }

    /// The longer of the left and right edges.
    pub(crate) fn height(&self) -> f32 {
        let [a, b, c, d] = self.0;
        a.distance(d).max(b.distance(c))
    }

    pub(crate) fn centre(&self) -> Point {
        let sum = self.0.iter().fold((0.0, 0.0), |(x, y), corner| (x + corner.x, y + corner.y));
        Point::new(sum.0 / 4.0, sum.1 / 4.0)
    }

    /// The same quadrilateral seen after a quarter turn counter-clockwise.
    pub(crate) fn turned(&self) -> Self {
        let [a, b, c, d] = self.0;
        Self([b, c, d, a])
    }

    pub(crate) fn map(&self, change: impl Fn(Point) -> Point) -> Self {
        Self(self.0.map(change))
    }
}

/// A rectangle at any angle: `extent` along `axis` (a unit vector) from `origin`, and across it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rectangle {
    origin: Point,
    axis: Point,
    extent: (f32, f32),
}

impl Rectangle {
    /// The rectangle of the smallest area around `points`; one of its sides lies on a side of their convex hull.
    /// None when all points lie on one line.
    pub(crate) fn around(points: Vec<Point>) -> Option<Self> {
        let hull = convex_hull(points);
        if hull.len() < 3 {
            return None;
        }
        let sides = hull.iter().zip(hull.iter().cycle().skip(1));
        sides.map(|(from, to)| Self::along(*from, *to, &hull)).min_by(|a, b| ascending(a.area(), b.area()))
    }

    pub(crate) fn short_side(&self) -> f32 {
        self.extent.0.min(self.extent.1)
    }

    pub(crate) fn area(&self) -> f32 {
        self.extent.0 * self.extent.1
    }

    pub(crate) fn perimeter(&self) -> f32 {
        2.0 * (self.extent.0 + self.extent.1)
    }

    /// Moves every side outwards by `distance`.
    pub(crate) fn grown(&self, distance: f32) -> Self {
        let origin = self.origin.offset(self.axis, -distance).offset(self.axis.perpendicular(), -distance);
        let extent = (self.extent.0 + 2.0 * distance, self.extent.1 + 2.0 * distance);
        Self { origin, extent, ..*self }
    }

    pub(crate) fn corners(&self) -> Quad {
        let far = self.origin.offset(self.axis, self.extent.0);
        let across = self.axis.perpendicular();
        let corners = [self.origin, far, far.offset(across, self.extent.1), self.origin.offset(across, self.extent.1)];
        Quad::from_corners(corners)
    }

    fn along(from: Point, to: Point, hull: &[Point]) -> Self {
        let length = from.distance(to);
        let axis = Point::new((to.x - from.x) / length, (to.y - from.y) / length);
        let across = axis.perpendicular();
        let (start, end) = range(hull.iter().map(|point| point.dot(axis)));
        let (near, far) = range(hull.iter().map(|point| point.dot(across)));
        let origin = Point::new(0.0, 0.0).offset(axis, start).offset(across, near);
        Self { origin, axis, extent: (end - start, far - near) }
    }
}

/// Corners of the convex hull in order, without points on its sides (monotone chain).
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| ascending(a.x, b.x).then(ascending(a.y, b.y)));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let mut hull = half_hull(points.iter());
    hull.extend(half_hull(points.iter().rev()));
    hull
}

/// One side of the hull, without its last point, which begins the other side.
fn half_hull<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<Point> {
    let mut chain: Vec<Point> = Vec::new();
    for point in points {
        while let [.., a, b] = chain[..]
            && turn(a, b, *point) <= 0.0
        {
            chain.pop();
        }
        chain.push(*point);
    }
    chain.pop();
    chain
}

/// Positive when the way a, b, c bends towards the positive y axis of a vector a-b turned by a quarter.
fn turn(a: Point, b: Point, c: Point) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

fn range(values: impl Iterator<Item = f32>) -> (f32, f32) {
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// Coordinates come from pixel positions and are never NaN, so the total order is the usual one.
pub(crate) fn ascending(a: f32, b: f32) -> Ordering {
    a.total_cmp(&b)
}

#[cfg(test)]
mod tests;

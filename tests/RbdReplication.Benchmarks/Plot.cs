using System.Globalization;
using System.Text;

namespace RbdReplication.Benchmarks;

/// <summary>Lines over a logarithmic axis, as SVG.</summary>
internal static class Plot
{
    private const int Width = 640, Height = 360, Left = 56, Right = 200, Top = 40, Bottom = 40;

    private static readonly string[] Colors = ["#1f77b4", "#7f7f7f", "#d62728"];

    public static string Svg(string title, string unit, IReadOnlyList<int> x, params (string Name, IReadOnlyList<double> Y)[] lines)
    {
        var step = Step(lines.Max(line => line.Y.Max()));
        var top = Math.Ceiling(lines.Max(line => line.Y.Max()) / step) * step;
        var svg = new StringBuilder();
        Add(svg, $"""<svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{Height}" font-family="sans-serif" font-size="12">""");
        Add(svg, $"""<rect width="{Width}" height="{Height}" fill="white"/><text x="{Left}" y="20" font-size="14">{title}</text>""");
        for (var value = 0.0; value <= top; value += step)
        {
            Add(svg, $"""<line x1="{Left}" x2="{Width - Right}" y1="{Y(value, top):0.0}" y2="{Y(value, top):0.0}" stroke="#dddddd"/>""");
            Add(svg, $"""<text x="{Left - 8}" y="{Y(value, top) + 4:0.0}" text-anchor="end">{value:0.##} {unit}</text>""");
        }
        foreach (var size in x)
            Add(svg, $"""<text x="{X(size, x):0.0}" y="{Height - Bottom + 20}" text-anchor="middle">{size:N0}</text>""");
        foreach (var ((name, y), color) in lines.Zip(Colors))
        {
            var points = x.Zip(y, (size, value) => string.Create(CultureInfo.InvariantCulture, $"{X(size, x):0.0},{Y(value, top):0.0}"));
            Add(svg, $"""<polyline points="{string.Join(' ', points)}" fill="none" stroke="{color}" stroke-width="2"/>""");
            Add(svg, $"""<text x="{Width - Right + 8}" y="{Y(y[^1], top) + 4:0.0}" fill="{color}">{name}</text>""");
        }
        return svg.Append("</svg>\n").ToString();
    }

    private static void Add(StringBuilder svg, FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');

    private static double X(int value, IReadOnlyList<int> all) =>
        Left + (Width - Left - Right) * (all.Count == 1 ? 0 : Math.Log((double)value / all[0]) / Math.Log((double)all[^1] / all[0]));

    private static double Y(double value, double top) => Height - Bottom - (Height - Top - Bottom) * value / top;

    // About five lines, at 1, 2 or 5 times a power of ten.
    private static double Step(double maximum)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(maximum / 5)));
        return ((double[])[1, 2, 5, 10]).Select(factor => factor * power).First(step => maximum / step <= 5);
    }
}

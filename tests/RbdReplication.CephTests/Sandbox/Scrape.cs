using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>What a server shows to Prometheus, asked over its socket.</summary>
public sealed partial class Scrape
{
    private readonly List<(string Name, Dictionary<string, string> Labels, double Value)> _series = [];

    private Scrape(string text)
    {
        foreach (Match line in Line().Matches(text))
        {
            var labels = Label().Matches(line.Groups["labels"].Value).ToDictionary(label => label.Groups[1].Value, label => label.Groups[2].Value);
            _series.Add((line.Groups["name"].Value, labels, double.Parse(line.Groups["value"].Value, CultureInfo.InvariantCulture)));
        }
    }

    public IEnumerable<string> Names => _series.Select(series => series.Name).Distinct();

    public static Scrape Of(string text) => new(text);

    public static async Task<Scrape> OfAsync(ServerProcess server) => new(await GetAsync(server, "/metrics"));

    public static async Task<string> GetAsync(ServerProcess server, string path)
    {
        using var http = new HttpClient(UnixSocket.HttpHandler(server.SocketPath))
        {
            BaseAddress = new Uri("http://localhost"),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        return await http.GetStringAsync(new Uri(path, UriKind.Relative));
    }

    /// <summary>Labels and values of a metric's series that have these labels.</summary>
    public IEnumerable<(IReadOnlyDictionary<string, string> Labels, double Value)> Of(string name, params (string Label, string Value)[] labels) =>
        _series.Where(series => series.Name == name && labels.All(label => series.Labels.GetValueOrDefault(label.Label) == label.Value))
            .Select(series => ((IReadOnlyDictionary<string, string>)series.Labels, series.Value));

    /// <summary>Value of the only such series; null if there is none.</summary>
    public double? Value(string name, params (string Label, string Value)[] labels) =>
        Of(name, labels).Select(series => (double?)series.Value).SingleOrDefault();

    [GeneratedRegex(@"^(?<name>[a-z_]+)(?:\{(?<labels>[^}]*)\})? (?<value>\S+)", RegexOptions.Multiline)]
    private static partial Regex Line();

    [GeneratedRegex(@"([a-z_]+)=""([^""]*)""")]
    private static partial Regex Label();
}

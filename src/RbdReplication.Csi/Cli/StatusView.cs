using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using Spectre.Console;

namespace RbdReplication.Csi.Cli;

/// <summary>Shows a <see cref="StatusReport"/>.</summary>
internal abstract class StatusView
{
    /// <summary>The view for <c>--output</c>.</summary>
    public static StatusView Of(string output, bool repeats) => output == "json" ? new Json(repeats) : new Table();

    public abstract void Show(StatusReport report);

    /// <summary>A span of time as the Kubernetes tools write ages: 45s, 12m, 3h20m, 2d4h.</summary>
    internal static string Age(TimeSpan time) => time switch
    {
        { TotalMinutes: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalSeconds}s"),
        { TotalHours: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m"),
        { TotalDays: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}h{time.Minutes}m"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalDays}d{time.Hours}h"),
    };

    private sealed class Table : StatusView
    {
        // Nothing is cut or wrapped where the reader is a program: one line for each volume.
        private const int WidthOfFiles = 4096;

        private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings());

        public Table()
        {
            if (Console.IsOutputRedirected)
                _console.Profile.Width = WidthOfFiles;
        }

        public override void Show(StatusReport report)
        {
            if (!Console.IsOutputRedirected)
                _console.Clear();
            foreach (var problem in report.Problems)
                _console.MarkupLineInterpolated($"[red]{problem}[/]");
            foreach (var cluster in report.PassedOver)
                _console.MarkupLineInterpolated($"[dim]not shown: {cluster}[/]");
            foreach (var operation in report.Overdue)
                _console.MarkupLineInterpolated($"[yellow]{Describe(operation, report.Volumes)}[/]");
            if (report.Volumes.Count > 0)
                _console.Write(Of(report.Volumes));
            var counts = report.Volumes.CountBy(volume => volume.Status.Health).OrderByDescending(pair => pair.Key)
                .Select(pair => $"{pair.Value} {Word(pair.Key)}");
            _console.WriteLine($"{report.Volumes.Count} replicated volumes{(report.Volumes.Count > 0 ? ": " : "")}{string.Join(", ", counts)}");
        }

        private static string Describe(OperationJson operation, IReadOnlyList<MirroredVolume> volumes)
        {
            // Both sites' handles of a volume end with the same uuid.
            var volume = volumes.FirstOrDefault(volume => volume.Handle is { } handle && operation.VolumeHandle.EndsWith(handle.Uuid, StringComparison.OrdinalIgnoreCase));
            return $"overdue: {operation.Operation} of {volume?.PersistentVolume ?? operation.VolumeHandle} since {Age(DateTimeOffset.UtcNow - operation.StartedAt)}, though its caller has stopped waiting; "
                + (operation.GivesWay ? "it gives way to any change of the volume" : "the volume is busy until it ends; check Ceph's health and the mirror daemons");
        }

        private static Spectre.Console.Table Of(IReadOnlyList<MirroredVolume> volumes)
        {
            var table = new Spectre.Console.Table { Border = TableBorder.None };
            foreach (var title in (string[])["VOLUME", "POOL", "ROLE", "HEALTH", "PEER", "LAG", "SCHEDULE"])
                table.AddColumn(new TableColumn(new Text(title, new Style(decoration: Decoration.Bold))).NoWrap().PadLeft(0).PadRight(2));
            table.AddColumn(new TableColumn(new Text("WHAT IS SEEN, WHAT TO DO", new Style(decoration: Decoration.Bold))).PadLeft(0).PadRight(0));
            foreach (var volume in volumes)
            {
                var status = volume.Status;
                var style = new Style(ColorOf(status.Health));
                table.AddRow(
                    new Text(volume.PersistentVolume ?? status.ImageName),
                    new Text(volume.Namespace.Length == 0 ? volume.Pool : $"{volume.Pool}/{volume.Namespace}"),
                    new Text(Word(status.Role)),
                    new Text(Word(status.Health), style),
                    new Text(status.Peer),
                    new Text(status.Lag is { } lag ? Age(lag) : "-"),
                    new Text(status.Schedules.Count == 0 ? "-" : string.Join(' ', status.Schedules.Select(schedule => schedule.Interval))),
                    new Text(status.Message, status.Health == ReplicationHealth.Healthy ? Style.Plain : style));
            }
            return table;
        }

        private static Color ColorOf(ReplicationHealth health) => health switch
        {
            ReplicationHealth.Healthy => Color.Green,
            ReplicationHealth.Error => Color.Red,
            _ => Color.Yellow,
        };
    }

    private sealed class Json(bool repeats) : StatusView
    {
        public override void Show(StatusReport report)
        {
            var document = new StatusJson(
                [.. report.Volumes.Select(Of)], report.Operations, report.Problems, report.PassedOver, report.IsGood);
            // A stream of looks is one document a line.
            Console.Out.WriteLine(JsonSerializer.Serialize(document, (repeats ? StatusJsonContext.Lines : StatusJsonContext.Indented).StatusJson));
        }

        private static VolumeJson Of(MirroredVolume volume)
        {
            var status = volume.Status;
            return new VolumeJson(
                volume.Handle?.ToString(), volume.PersistentVolume, volume.Pool, volume.Namespace, status.ImageName, Word(status.Role), Word(status.Health),
                status.Peer, status.LastSyncTime, status.Lag?.TotalSeconds, [.. status.Schedules.Select(schedule => schedule.Interval)], status.Message);
        }
    }

    private static string Word(ImageRole role) => role.ToString().ToLowerInvariant();

    private static string Word(ReplicationHealth health) => health.ToString().ToLowerInvariant();
}

/// <summary>The document of <c>status -o json</c>.</summary>
internal sealed record StatusJson(
    IReadOnlyList<VolumeJson> Volumes, IReadOnlyList<OperationJson> Operations, IReadOnlyList<string> Problems, IReadOnlyList<string> PassedOver, bool IsGood);

/// <summary>One volume of it.</summary>
internal sealed record VolumeJson(
    string? VolumeHandle, string? PersistentVolume, string Pool, string Namespace, string Image, string Role, string Health, string Peer,
    DateTimeOffset? LastSyncTime, double? LagSeconds, IReadOnlyList<string> Schedules, string Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StatusJson))]
internal sealed partial class StatusJsonContext : JsonSerializerContext
{
    public static StatusJsonContext Lines { get; } = new(For(indented: false));

    public static StatusJsonContext Indented { get; } = new(For(indented: true));

    // It is read by people and by jq, not put into a web page.
    private static JsonSerializerOptions For(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = indented,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}

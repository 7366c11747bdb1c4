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

    private sealed class Table : StatusView
    {
        private readonly IAnsiConsole _console = Terminal.Output();

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
            if (report.Groups.Count > 0)
            {
                _console.Write(Of(report.Groups));
                _console.WriteLine($"{Number(report.Groups.Count, "replicated group")}: {Counts(report.Groups.Select(group => group.Health))}");
            }
            if (report.Volumes.Count > 0)
                _console.Write(Of(report.Volumes));
            _console.WriteLine($"{Number(report.Volumes.Count, "replicated volume")}{(report.Volumes.Count > 0 ? ": " : "")}{Counts(report.Volumes.Select(volume => volume.Status.Health))}");
            if (report.Drills.Count > 0)
                _console.WriteLine($"{Number(report.Drills.Count, "drill")}{(report.Drills.Min(one => one.Drill.CreatedAt) is { } oldest ? $", the oldest of {Ages.Text(DateTimeOffset.UtcNow - oldest)} ago" : "")}: drill list shows them");
        }

        private static string Number(int number, string what) => $"{number} {what}{(number == 1 ? "" : "s")}";

        private static string Counts(IEnumerable<ReplicationHealth> all) =>
            string.Join(", ", all.CountBy(health => health).OrderByDescending(pair => pair.Key).Select(pair => $"{pair.Value} {StatusWords.Word(pair.Key)}"));

        private static string Describe(OperationJson operation, IReadOnlyList<MirroredVolume> volumes)
        {
            // Both sites' handles of a volume end with the same uuid.
            var volume = volumes.FirstOrDefault(volume => volume.Handle is { } handle && operation.VolumeHandle.EndsWith(handle.Uuid, StringComparison.OrdinalIgnoreCase));
            return $"overdue: {operation.Operation} of {volume?.PersistentVolume ?? operation.VolumeHandle} since {Ages.Text(DateTimeOffset.UtcNow - operation.StartedAt)}, though its caller has stopped waiting; "
                + StatusWords.MeaningOfOverdue(operation.GivesWay);
        }

        private static Spectre.Console.Table Of(params string[] titles)
        {
            var table = new Spectre.Console.Table { Border = TableBorder.None };
            foreach (var title in titles)
                table.AddColumn(new TableColumn(new Text(title, new Style(decoration: Decoration.Bold))).NoWrap().PadLeft(0).PadRight(2));
            return table.AddColumn(new TableColumn(new Text("WHAT IS SEEN, WHAT TO DO", new Style(decoration: Decoration.Bold))).PadLeft(0).PadRight(0));
        }

        private static Spectre.Console.Table Of(IReadOnlyList<GroupStatus> groups)
        {
            var table = Of("GROUP", "POOL", "ROLE", "HEALTH", "VOLUMES", "GENERATION", "AGE", "SCHEDULE");
            foreach (var group in groups)
            {
                var style = new Style(ColorOf(group.Health));
                table.AddRow(
                    new Text(group.Name),
                    new Text(PlaceOf(group.Pool, group.Namespace)),
                    new Text(GroupStateKeys.RoleText(group.State.Role)),
                    new Text(StatusWords.Word(group.Health), style),
                    new Text($"{group.Members}"),
                    new Text(group.Newest is { } newest ? $"{newest.Number}" : "-"),
                    new Text(group.Newest is { } taken ? Ages.Text(DateTimeOffset.UtcNow - taken.TakenAt) : "-"),
                    new Text(group.State.Schedule?.Interval ?? "-"),
                    new Text(group.Message, group.Health == ReplicationHealth.Healthy ? Style.Plain : style));
            }
            return table;
        }

        private static Spectre.Console.Table Of(IReadOnlyList<MirroredVolume> volumes)
        {
            var hasPoints = volumes.Any(volume => volume.Status.DrillableTime is not null);
            var table = Of(["VOLUME", "POOL", "ROLE", "HEALTH", "PEER", "LAG", .. hasPoints ? ["POINT"] : (string[])[], "SCHEDULE"]);
            foreach (var volume in volumes)
            {
                var status = volume.Status;
                var style = new Style(ColorOf(status.Health));
                table.AddRow([
                    new Text(StatusWords.NameOf(volume)),
                    new Text(PlaceOf(volume.Pool, volume.Namespace)),
                    new Text(StatusWords.Word(status.Role)),
                    new Text(StatusWords.Word(status.Health), style),
                    new Text(status.Peer),
                    new Text(status.Lag is { } lag ? Ages.Text(lag) : "-"),
                    .. hasPoints ? [new Text(status.DrillableTime is { } point ? Ages.Text(DateTimeOffset.UtcNow - point) : "-")] : (Text[])[],
                    new Text(status.Schedules.Count == 0 ? "-" : string.Join(' ', status.Schedules.Select(schedule => schedule.Interval))),
                    new Text(status.Message, status.Health == ReplicationHealth.Healthy ? Style.Plain : style)]);
            }
            return table;
        }

        private static string PlaceOf(string pool, string radosNamespace) => radosNamespace.Length == 0 ? pool : $"{pool}/{radosNamespace}";

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
                [.. report.Volumes.Select(volume => new VolumeJson(volume))], [.. report.Groups.Select(group => new GroupJson(group))],
                [.. report.Drills.Select(one => new DrillJson(one.Pool, one.Namespace, one.Drill))], report.Operations, report.Problems, report.PassedOver, report.IsGood);
            // A stream of looks is one document a line.
            Console.Out.WriteLine(JsonSerializer.Serialize(document, (repeats ? StatusJsonContext.Lines : StatusJsonContext.Indented).StatusJson));
        }
    }
}

/// <summary>The document of <c>status -o json</c>.</summary>
internal sealed record StatusJson(
    IReadOnlyList<VolumeJson> Volumes, IReadOnlyList<GroupJson> Groups, IReadOnlyList<DrillJson> Drills, IReadOnlyList<OperationJson> Operations, IReadOnlyList<string> Problems, IReadOnlyList<string> PassedOver, bool IsGood);

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

using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using RbdReplication.Core;
using Spectre.Console;

namespace RbdReplication.Csi.Cli;

/// <summary>
/// <c>drill point</c> and <c>drill points</c>: consistency points of single volumes. They need no running server, and keep off one by the lock of
/// the volume.
/// </summary>
internal static class DrillPoint
{
    public static Command Take()
    {
        var flags = new PointFlags();
        var name = new Argument<string?>("name") { Description = "Name of the point; without it the time in UTC, as in 20261128-021500", Arity = ArgumentArity.ZeroOrOne };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !PointName.IsValid(token.Value))
                result.AddError($"name is \"{token.Value}\", and must be letters, digits, dashes and underscores, at most 63 of them, with a letter or digit first");
        });
        var keep = Flags.Number("--keep", 0, 0, PointRules.MaximumKept, "Remove older points that have a time for a name, so that so many are left; 0 keeps all");
        var wait = Flags.Switch("--wait", "Wait until all peers that follow hold the point whole");
        var remove = Flags.Switch("--remove", "Remove the point instead; peers remove theirs with the next mirror snapshot");
        var command = flags.AddTo(new Command("point", "Take a consistency point of a volume at the site where it is primary: a user snapshot, and a mirror snapshot that carries it to the peer.") { name, keep, wait, remove });
        command.Validators.Add(result =>
        {
            if (result.GetValue(remove) && (result.GetValue(name) is null || result.GetValue(wait) || result.GetValue(keep) > 0))
                result.AddError("--remove takes the name of the point, and neither --keep nor --wait");
        });
        command.SetAction((parsed, cancellationToken) => flags.RunAsync(
            parsed,
            async (points, volume, token) =>
            {
                var view = new PointView(volume.Handle, parsed.GetRequiredValue(flags.Output) == "json");
                PointName? wanted = parsed.GetValue(name) is { } text ? new PointName(text) : null;
                if (parsed.GetValue(remove))
                {
                    view.ShowRemoved(wanted!.Value, await points.RemoveAsync(volume, wanted.Value, token));
                    return;
                }
                var point = await points.TakeAsync(volume, wanted, parsed.GetValue(keep) is > 0 and var count ? count : null, token);
                view.Show(parsed.GetValue(wait) ? await points.AwaitPeersAsync(volume, point.Name, token) : point);
            },
            cancellationToken));
        return command;
    }

    public static Command List()
    {
        var flags = new PointFlags();
        var command = flags.AddTo(new Command("points", "List the consistency points of a volume, and where they are whole."));
        command.SetAction((parsed, cancellationToken) => flags.RunAsync(
            parsed,
            async (points, volume, token) => new PointView(volume.Handle, parsed.GetRequiredValue(flags.Output) == "json").Show(await points.ListAsync(volume, token)),
            cancellationToken));
        return command;
    }

    /// <summary>What both are told.</summary>
    private sealed class PointFlags
    {
        private readonly SiteFlags _site = new();
        private readonly Option<string> _volume = new("--volume") { Description = "Volume handle, as in the PersistentVolume's spec.csi.volumeHandle", Required = true };
        private readonly Option<Duration> _timeout = Flags.Duration("--timeout", TimeSpan.FromMinutes(10), "Longest time that it takes");

        public Option<string> Output { get; } = Flags.Choice("--output", "table", "Form of the output", "table", "json");

        public Command AddTo(Command command)
        {
            Output.Aliases.Add("-o");
            _site.AddTo(command, _volume, _site.ClusterMapping, Output, _timeout);
            return command;
        }

        public Task<int> RunAsync(ParseResult parsed, Func<VolumePoints, VolumeRequest, CancellationToken, Task> run, CancellationToken cancellationToken) =>
            _site.RunAsync(
                parsed,
                async (site, token) =>
                {
                    var timeout = parsed.GetRequiredValue(_timeout);
                    using var deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
                    deadline.CancelAfter(timeout);
                    if (!VolumeHandle.TryParse(parsed.GetRequiredValue(_volume), out var handle, out var problem))
                        throw new FormatException($"not a volume handle of ceph-csi: {problem}");
                    var time = TimeProvider.System;
                    var operations = new VolumeOperations(
                        site.Volumes, new VolumeGate(time), new VolumeLocks($"command drill on {Environment.MachineName}", time), static (_, _, _) => { });
                    try
                    {
                        await run(new VolumePoints(operations, time), new VolumeRequest(handle, site.Credentials), deadline.Token);
                        return ExitCode.Success;
                    }
                    catch (OperationCanceledException) when (!token.IsCancellationRequested)
                    {
                        throw new ReplicationException(
                            ReplicationError.TimedOut, $"not done within {timeout} (--timeout); the same command with the name of the point goes on with it");
                    }
                },
                cancellationToken);
    }

    /// <summary>Shows points.</summary>
    private sealed class PointView(VolumeHandle volume, bool isJson)
    {
        public void Show(ConsistencyPoint point)
        {
            if (isJson)
                Write(new JsonObject { ["volumeHandle"] = volume.ToString(), ["point"] = Of(point) });
            else
                Console.WriteLine($"point {point.Name.Name} of volume {volume}: taken {Time(point.TakenAt)} UTC, {Peers(point)}");
        }

        public void ShowRemoved(PointName name, bool wasThere)
        {
            if (isJson)
                Write(new JsonObject { ["volumeHandle"] = volume.ToString(), ["name"] = name.Name, ["removed"] = wasThere });
            else
                Console.WriteLine(wasThere ? $"point {name.Name} of volume {volume} is removed; peers remove theirs with the next mirror snapshot" : $"volume {volume} has no point {name.Name}");
        }

        public void Show(IReadOnlyList<ConsistencyPoint> points)
        {
            if (isJson)
            {
                Write(new JsonObject { ["volumeHandle"] = volume.ToString(), ["points"] = new JsonArray([.. points.Select(Of)]) });
                return;
            }
            var console = Terminal.Output();
            var table = new Table().NoBorder();
            foreach (var title in (string[])["POINT", "TAKEN", "AGE", "THIS SITE", "PEERS"])
                table.AddColumn(new TableColumn(new Text(title)));
            foreach (var point in points)
            {
                // Of one that has come from the peer it is the time when it came.
                var before = point.IsTakenHere ? "" : "before ";
                table.AddRow(
                    new Text(point.Name.Name), new Text(before + Time(point.TakenAt)), new Text(Ages.Text(DateTimeOffset.UtcNow - point.TakenAt)),
                    new Text(point.IsWhole ? "whole" : "not known to be whole"), new Text(point.HeldBy.Count + point.AwaitedBy.Count > 0 ? Peers(point) : "-"));
            }
            console.Write(table);
            console.WriteLine($"{points.Count} point{(points.Count == 1 ? "" : "s")}");
        }

        private static string Peers(ConsistencyPoint point)
        {
            string[] words =
            [
                .. point.HeldBy.Count > 0 ? [$"whole at {string.Join(", ", point.HeldBy)}"] : (string[])[],
                .. point.AwaitedBy.Count > 0 ? [$"not yet whole at {string.Join(", ", point.AwaitedBy)}"] : (string[])[],
            ];
            return words.Length > 0 ? string.Join("; ", words) : "no peer follows this site";
        }

        private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

        private static JsonNode Of(ConsistencyPoint point) => new JsonObject
        {
            ["name"] = point.Name.Name,
            ["takenAt"] = point.TakenAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
            ["isTakenHere"] = point.IsTakenHere,
            ["isWhole"] = point.IsWhole,
            ["heldBy"] = new JsonArray([.. point.HeldBy.Select(peer => (JsonNode)peer)]),
            ["awaitedBy"] = new JsonArray([.. point.AwaitedBy.Select(peer => (JsonNode)peer)]),
        };

        private static void Write(JsonObject document) => Console.WriteLine(document.ToJsonString());
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using RbdReplication.Core;
using RbdReplication.DisasterRecovery;
using Spectre.Console;

namespace RbdReplication.Csi.Cli;

/// <summary>How the commands of <c>dr</c> tell what they do.</summary>
internal static class DrOutput
{
    /// <summary>Runs a command and tells how it ends, with the exit code.</summary>
    public static async Task<int> TellAsync(string name, bool isJson, Func<Timeline, Task> run, CancellationToken cancellationToken)
    {
        Timeline timeline = isJson ? new JsonTimeline(name) : new TextTimeline();
        try
        {
            await run(timeline);
            return ExitCode.Success;
        }
        catch (ProcedureException e)
        {
            await FailAsync(timeline, e.Message, e.Next);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await FailAsync(timeline, "interrupted", "run this again; it goes on where it stopped");
        }
        return ExitCode.Failure;
    }

    private static async Task FailAsync(Timeline timeline, string message, string next)
    {
        if (timeline is JsonTimeline json)
            json.Fail(message, next);
        await Console.Error.WriteLineAsync($"rbd-replication: {message}\nnext: {next}");
    }

    /// <summary>Lines as they happen.</summary>
    private sealed class TextTimeline : Timeline
    {
        public override void Remark(string text) => Console.WriteLine($"note: {text}");

        public override void Planned(int number, string what) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{number,3}. {what}"));

        public override void Began(TimeSpan sinceStart, string what) => Console.WriteLine($"{At(sinceStart)}  {what}");

        public override void Awaits(TimeSpan sinceStart, string what) => Console.WriteLine($"{At(sinceStart)}    … {what}");

        public override void Done(TimeSpan sinceStart, TimeSpan took) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{At(sinceStart)}    done in {took.TotalSeconds:0.0} s"));

        public override void Ended(TimeSpan sinceStart, string outcome) => Console.WriteLine($"{At(sinceStart)}  {outcome}");

        private static string At(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds,7:0.0}s");
    }

    /// <summary>One document at the end.</summary>
    private sealed class JsonTimeline(string name) : Timeline
    {
        private readonly JsonArray _remarks = [];
        private readonly JsonArray _steps = [];
        private readonly long _started = Stopwatch.GetTimestamp();
        private JsonObject? _step;

        public override void Remark(string text) => _remarks.Add((JsonNode)text);

        public override void Planned(int number, string what) => _steps.Add((JsonNode)new JsonObject { ["what"] = what });

        public override void Began(TimeSpan sinceStart, string what) =>
            _steps.Add((JsonNode)(_step = new JsonObject { ["what"] = what, ["beganSeconds"] = Seconds(sinceStart) }));

        public override void Awaits(TimeSpan sinceStart, string what) => _step!["awaits"] = what;

        public override void Done(TimeSpan sinceStart, TimeSpan took)
        {
            _step!.Remove("awaits");
            _step["tookSeconds"] = Seconds(took);
        }

        public override void Ended(TimeSpan sinceStart, string outcome) => Write(new JsonObject { ["done"] = true, ["outcome"] = outcome });

        public void Fail(string message, string next) => Write(new JsonObject { ["done"] = false, ["error"] = message, ["next"] = next });

        private void Write(JsonObject end)
        {
            end.Insert(0, "command", name);
            end["seconds"] = Seconds(Stopwatch.GetElapsedTime(_started));
            end["notes"] = _remarks;
            end["steps"] = _steps;
            Console.WriteLine(end.ToJsonString());
        }

        private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 1);
    }

    /// <summary>Shows the claims; the exit code is 1 where a failover of one is not safe.</summary>
    public static int Show(IReadOnlyList<StatusRow> rows, string here, string there, bool isJson)
    {
        var now = DateTimeOffset.UtcNow;
        if (isJson)
        {
            var claims = new JsonArray();
            foreach (var row in rows)
            {
                claims.Add((JsonNode)new JsonObject
                {
                    ["claim"] = row.Claim,
                    ["group"] = row.Group,
                    ["here"] = row.Here,
                    ["there"] = row.There,
                    ["lastSync"] = row.LastSync?.UtcDateTime.ToString("O"),
                    ["lagSeconds"] = row.Lag(now) is { } lag ? Math.Round(lag.TotalSeconds) : null,
                    ["restored"] = row.Restored,
                    ["safeToFailOver"] = row.IsSafe,
                    ["message"] = row.Words,
                });
            }
            Console.WriteLine(new JsonObject { ["here"] = here, ["there"] = there, ["claims"] = claims }.ToJsonString());
        }
        else
        {
            var console = Terminal.Output();
            var table = new Table().NoBorder();
            foreach (var title in (string[])["CLAIM", "GROUP", here.ToUpperInvariant(), there.ToUpperInvariant(), "LAST SYNC", "LAG", "RESTORED", "SAFE TO FAIL OVER", "WHAT IS SEEN, WHAT TO DO"])
                table.AddColumn(new TableColumn(new Text(title)));
            foreach (var row in rows)
            {
                table.AddRow([.. ((string[])
                [
                    row.Claim, row.Group.Length > 0 ? row.Group : "-", row.Here, row.There,
                    row.LastSync?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "-",
                    row.Lag(now) is { } lag ? Ages.Text(lag) : "-", row.Restored, row.IsSafe ? "yes" : "no", row.Words,
                ]).Select(text => new Text(text))]);
            }
            console.Write(table);
            console.WriteLine($"{rows.Count} claim{(rows.Count == 1 ? "" : "s")}: {rows.Count(row => row.IsSafe)} safe to fail over");
        }
        return rows.All(row => row.IsSafe) ? ExitCode.Success : ExitCode.Failure;
    }
}

using System.Diagnostics;

namespace RbdReplication.DisasterRecovery;

/// <summary>Where a procedure's timeline goes.</summary>
public abstract class Timeline
{
    /// <summary>What people have to know before anything is done.</summary>
    public abstract void Remark(string text);

    /// <summary>A step that would be done (<paramref name="number"/> from 1).</summary>
    public abstract void Planned(int number, string what);

    /// <summary>A step begins.</summary>
    public abstract void Began(TimeSpan sinceStart, string what);

    /// <summary>What the step waits for has changed.</summary>
    public abstract void Awaits(TimeSpan sinceStart, string what);

    /// <summary>The step that began last is done.</summary>
    public abstract void Done(TimeSpan sinceStart, TimeSpan took);

    /// <summary>The end of a procedure that went well.</summary>
    public abstract void Ended(TimeSpan sinceStart, string outcome);
}

/// <summary>Carries a plan out.</summary>
/// <param name="timeline">Where it is told.</param>
/// <param name="patience">Longest wait of one step.</param>
internal sealed class Runner(Timeline timeline, TimeSpan patience)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    // Ages and percentages change with every look.
    private static readonly TimeSpan Progress = TimeSpan.FromSeconds(15);

    private readonly long _started = Stopwatch.GetTimestamp();
    private string? _awaited;

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_started);

    /// <summary>Carries it out, or with <paramref name="isDryRun"/> tells it only.</summary>
    /// <exception cref="ProcedureException">It cannot go on.</exception>
    public async Task RunAsync(Plan plan, bool isDryRun, CancellationToken cancellation)
    {
        foreach (var remark in plan.Remarks)
            timeline.Remark(remark);
        if (isDryRun)
        {
            for (var i = 0; i < plan.Steps.Count; i++)
                timeline.Planned(i + 1, plan.Steps[i].What);
            timeline.Ended(Elapsed, plan.Steps.Count == 0 ? $"nothing to do: {plan.Outcome}" : "nothing was done: this is what would be");
            return;
        }
        foreach (var step in plan.Steps)
        {
            var began = Elapsed;
            timeline.Began(began, step.What);
            await step.DoAsync(cancellation).ConfigureAwait(false);
            await AwaitAsync(step, began, cancellation).ConfigureAwait(false);
            timeline.Done(Elapsed, Elapsed - began);
        }
        timeline.Ended(Elapsed, plan.Steps.Count == 0 ? $"nothing to do: {plan.Outcome}" : plan.Outcome);
    }

    private async Task AwaitAsync(Step step, TimeSpan began, CancellationToken cancellation)
    {
        string? told = null;
        var toldAt = TimeSpan.Zero;
        while (await LookAsync(step, cancellation).ConfigureAwait(false) is { } awaited)
        {
            if (WithoutNumbers(awaited) != told || (Elapsed - toldAt > Progress && awaited != _awaited))
            {
                timeline.Awaits(Elapsed, _awaited = awaited);
                (told, toldAt) = (WithoutNumbers(awaited), Elapsed);
            }
            if (Elapsed - began > patience)
                throw new ProcedureException($"{step.What}: not done within {patience.TotalSeconds:0} s; {awaited}", "look into what it waits for, and run this again: it goes on where it stopped");
            await Task.Delay(Pause, cancellation).ConfigureAwait(false);
        }
    }

    private static string WithoutNumbers(string text) => string.Concat(text.Where(character => !char.IsAsciiDigit(character)));

    // An API server that is restarted must not end a procedure that has changed something already.
    private static async Task<string?> LookAsync(Step step, CancellationToken cancellation)
    {
        try
        {
            return await step.LookAsync(cancellation).ConfigureAwait(false);
        }
        catch (ProcedureException e) when (e.IsOutage)
        {
            return e.Message;
        }
    }
}

namespace RbdReplication.CephTests.Relocation;

/// <summary>Breaks something for a while, over and over; one thing at a time.</summary>
/// <param name="faults">What may be broken.</param>
/// <param name="longestPause">How long nothing is broken in between, at most.</param>
/// <param name="longest">For how long, now and then; else a quarter of that.</param>
/// <param name="random">What and for how long.</param>
/// <param name="isOverdue">Whether a call waits for so long that nothing more is to be broken until it ends.</param>
/// <param name="log">Told of each.</param>
public sealed class FaultInjector(IReadOnlyList<Fault> faults, TimeSpan longestPause, TimeSpan longest, Random random, Func<bool> isOverdue, Action<string> log)
{
    /// <summary>Runs until cancelled; whatever is broken then is healed before it returns.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var pause = TimeSpan.FromSeconds(0.1) + (random.NextDouble() * longestPause);
            var duration = TimeSpan.FromSeconds(0.3) + (random.NextDouble() * (random.Next(4) == 0 ? longest : longest / 4));
            var fault = faults[random.Next(faults.Count)];
            do
                await WaitAsync(pause, cancellationToken);
            while (isOverdue() && !cancellationToken.IsCancellationRequested);
            if (cancellationToken.IsCancellationRequested)
                return;
            log($"fault: {fault.What} for {duration.TotalSeconds:0.0} s");
            try
            {
                await fault.BreakAsync();
                await WaitAsync(duration, cancellationToken);
            }
            finally
            {
                await fault.HealAsync();
                log($"healed: {fault.What}");
            }
        }
    }

    private static Task WaitAsync(TimeSpan time, CancellationToken cancellationToken) =>
        Task.Delay(time, cancellationToken).ContinueWith(static _ => { }, TaskScheduler.Default);
}
